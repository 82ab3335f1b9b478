"""What a person may name as a source, and what is meant by it.

A folder, a file, `s3://bucket/prefix`, a manifest as `@list.txt`, or that of an S3 Inventory as
`s3://bucket/…/manifest.json`. Reading the words is all that
happens here, besides one look at a local path to tell a folder from a file.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from catalog.errors import SourceError, UsageError
from catalog.values import SourceKind
from tasks.storage.uris import displayed, file_uri, path_of, scheme_of, shown, split_s3

MANIFEST_SUFFIXES = frozenset({".txt", ".csv", ".jsonl"})

#: What Amazon calls the manifest of an inventory.
INVENTORY = "manifest.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """One place to look for videos."""

    #: The same place has the same URI however it was written; no trailing slash, but where a prefix
    #: in a bucket would be another one without it.
    uri: str
    kind: SourceKind
    #: For people; not to be opened again.
    label: str

    @property
    def named(self) -> str:
        """How to name it again, from any folder of any machine that has it at the same place."""
        if self.kind is SourceKind.MANIFEST:
            return f"@{os.fspath(path_of(self.uri))}"
        return self.uri


def parse_source(text: str) -> Source:
    """Read one SOURCE argument.

    A local file whose name begins with `@` is named as `./@name`.

    Raises:
        UsageError: nothing, or nothing that reelcat knows, was named.
        SourceError: the folder, file or manifest is not there, or not what it should be.
    """
    if not text.strip():
        raise UsageError(
            "A source is empty; name a folder, a file, s3://bucket/prefix or @list.txt."
        )
    if text.startswith("@"):
        return _manifest(text[1:])
    match scheme_of(text):
        case None:
            return _local(text)
        case "file":
            return _local(os.fspath(path_of(text)))
        case "s3":
            return _bucket(text)
        case "http" | "https":
            raise SourceError(
                shown(text), "a web address cannot be listed; put it into a list, name @list.txt."
            )
        case scheme:
            raise SourceError(
                text, f"reelcat cannot list {scheme}://; name a folder, s3://bucket or @list.txt."
            )


def absolute(path: str | os.PathLike[str]) -> Path:
    """Return the absolute path; links stay as they are named, except before a `..`.

    The system applies `..` after following links, so only resolving them gives the same place.
    """
    parts = Path(path).absolute().parts
    if ".." not in parts:
        return Path(*parts)
    last = len(parts) - parts[::-1].index("..")
    return Path(os.path.realpath(Path(*parts[:last])), *parts[last:])


def _local(text: str) -> Source:
    path = absolute(text)
    kind = SourceKind.FOLDER if stat.S_ISDIR(_mode(path)) else SourceKind.FILE
    return Source(uri=file_uri(path), kind=kind, label=displayed(path))


def _manifest(text: str) -> Source:
    if not text:
        raise UsageError("A source is a bare @; name the list after it, as in @list.txt.")
    path = absolute(text)
    label = f"@{displayed(text)}"
    if path.suffix.lower() not in MANIFEST_SUFFIXES:
        raise SourceError(label, "a list is a .txt, .csv or .jsonl file; rename it to say which.")
    if stat.S_ISDIR(_mode(path)):
        raise SourceError(label, "it is a folder, not a list; name it without the @.")
    return Source(uri=file_uri(path), kind=SourceKind.MANIFEST, label=label)


def _bucket(text: str) -> Source:
    bucket, prefix = split_s3(text)
    if not bucket:
        raise UsageError("s3:// names no bucket; write s3://bucket or s3://bucket/prefix.")
    uri = f"s3://{bucket}/{_unslashed(prefix)}" if prefix else f"s3://{bucket}"
    inventory = prefix == INVENTORY or prefix.endswith(f"/{INVENTORY}")
    kind = SourceKind.MANIFEST if inventory else SourceKind.BUCKET
    return Source(uri=uri, kind=kind, label=uri)


def _unslashed(prefix: str) -> str:
    """Leave out the slash behind a prefix, unless that would be another prefix.

    A key may begin with a slash and hold several in a row; `/` and `a//` are prefixes like any.

    >>> [_unslashed(prefix) for prefix in ("a/b/", "a/b", "/", "/a//b/", "a//")]
    ['a/b', 'a/b', '/', '/a//b', 'a//']
    """
    shorter = prefix.removesuffix("/")
    return prefix if shorter == "" or shorter.endswith("/") else shorter


def _mode(path: Path) -> int:
    """Return the mode of a folder or regular file."""
    label = displayed(path)
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SourceError(label, "there is no such folder or file; check the path.") from error
    except PermissionError as error:
        raise SourceError(
            label, "permission denied; let the user who runs reelcat read it."
        ) from error
    except (OSError, ValueError) as error:  # ValueError: a null character
        raise SourceError(label, "the system takes this for no path at all; check it.") from error
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise SourceError(label, "it is neither a folder nor a file; name one of them.")
    return mode
