"""What a person may name as a source, and which names in it are worth a look.

A folder, a file, `s3://bucket/prefix`, a manifest as `@list.txt`, or that of an S3 Inventory. A
folder of a camera or a NAS holds thumbnails, half-finished downloads and macOS's shadow files
next to the videos; opening each to find out would cost more than the videos do.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from catalog.errors import SourceError, UsageError
from catalog.values import SourceKind
from tasks.storage.uris import displayed, file_uri, path_of, scheme_of, shown, split_s3

_SUFFIXES = (
    ".3g2 .3gp .3gpp .amv .asf .avi .divx .dv .dvr-ms .evo .f4v .flv .gxf .h264 .h265 .hevc .ivf"
    " .m1v .m2p .m2t .m2ts .m2v .m4v .mjpeg .mjpg .mk3d .mkv .mod .mov .mp4 .mpe .mpeg .mpg .mpv"
    " .mqv .mts .mxf .nsv .nut .ogm .ogv .ogx .ps .qt .rm .rmvb .tod .tp .trp .ts .vob .vro .webm"
    " .wmv .wtv .xvid .y4m"
)

#: Lower case, with the dot. Every container people keep films in, and the raw streams.
VIDEO_SUFFIXES = frozenset(_SUFFIXES.split())

#: Folders that NAS systems, Windows and ext4 keep for themselves; other such names are hidden.
SYSTEM_FOLDERS = frozenset(
    {"$recycle.bin", "#recycle", "#snapshot", "@eadir", "lost+found", "system volume information"}
)


def is_video_name(name: str) -> bool:
    """Say whether a file of this name (no folders) may be a video.

    Hidden names, among them AppleDouble's `._film.mp4`, are not; `film.mp4.part` is not.

    >>> is_video_name("FILM.MP4"), is_video_name("._film.mp4"), is_video_name("film.mp4.part")
    (True, False, False)
    """
    if name[-4:] in VIDEO_SUFFIXES:  # most are, and this is the quickest way to tell
        return name[0] != "."
    dot = name.rfind(".")
    return dot > 0 and name[0] != "." and name[dot:].lower() in VIDEO_SUFFIXES


def is_skipped_folder(name: str) -> bool:
    """Say whether a folder of this name (no path) is passed over with all it holds.

    `.` and `..` are no hidden folders but parts of an odd S3 key.
    """
    if name in {".", ".."}:
        return False
    return name.startswith(".") or name.lower() in SYSTEM_FOLDERS


def is_candidate(name: str) -> bool:
    """Say whether a `/`-separated name below a source may be a video in a folder that counts.

    >>> is_candidate("2009/a.mp4"), is_candidate(".trash/a.mp4"), is_candidate("2009/")
    (True, False, False)
    """
    *folders, base = name.split("/")
    return is_video_name(base) and not any(map(is_skipped_folder, folders))


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
