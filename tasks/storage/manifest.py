"""Lists: what each line names, and a lister that looks at each file.

`list.txt` has one location a line, `list.csv` a column named uri, url or path, `list.jsonl` an
object a line. A line may also name a folder, a bucket or a prefix in one that ends in a slash: each
is a source of its own, as the list is. No line is read that is longer than memory allows.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO
from urllib.parse import unquote, urlsplit

from catalog.errors import SourceError
from catalog.values import Listing, ListingProblem, SourceKind
from tasks.foundation.untrusted_values import read_json, storable
from tasks.storage.errors import StoreError
from tasks.storage.source import Source, absolute, is_video_name, parse_source
from tasks.storage.uris import (
    displayed,
    file_uri,
    holds_a_secret,
    path_of,
    scheme_of,
    split_s3,
    web_uri,
)

#: Characters of a line, and of all lines that one row of a .csv goes over.
MOST_CHARACTERS = 1024 * 1024


class LineTooLong(ValueError):
    """What comes is longer than any line that names a file; nothing behind it is read."""


class BoundedLines(Iterator[str]):
    """The lines of a text, as `csv.reader` takes them; call `begin_row` where a row begins."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._left = MOST_CHARACTERS

    def begin_row(self) -> None:
        """Allow as much again."""
        self._left = MOST_CHARACTERS

    def __next__(self) -> str:
        line = self._text.readline(self._left + 1)
        if not line:
            raise StopIteration
        self._left -= len(line)
        if self._left < 0:
            raise LineTooLong
        return line


_COLUMNS = ("uri", "url", "path")

_TOO_LONG = "the line is longer than any address; nothing behind it was read"

#: Looks in flight at once: each is one round trip to a disk, a bucket or a web server.
_LOOKS = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A line that names a file."""

    line: int
    uri: str
    #: For people and globs.
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """A line that names none."""

    line: int
    reason: str


def parse_sources(texts: Iterable[str]) -> list[Source]:
    """Read SOURCE arguments, and what the lists among them name besides files; each once.

    What is wrong with a list is said when it is listed.

    Raises:
        UsageError, SourceError: as `parse_source`.
    """
    found: dict[str, Source] = {}
    for text in texts:
        source = parse_source(text)
        found.setdefault(source.uri, source)
        if source.kind is SourceKind.MANIFEST and scheme_of(source.uri) == "file":
            with contextlib.suppress(SourceError):
                for one in read_manifest(path_of(source.uri)):
                    if isinstance(one, Source):
                        found.setdefault(one.uri, one)
    return list(found.values())


class ManifestLister:
    """Every file that a manifest names, whatever it is called; not what else it names."""

    def __init__(self, uri: str, look: Callable[[str], Listing | None]) -> None:
        self._uri = uri
        self._look = look

    def list(self) -> Iterator[Listing | ListingProblem]:
        """Yield the files in the order of the lines; a line that leads nowhere is a problem."""
        path = path_of(self._uri)
        waiting: deque[Future[Listing | ListingProblem]] = deque()
        with ThreadPoolExecutor(_LOOKS, thread_name_prefix="look") as pool:
            try:
                for entry in read_manifest(path):
                    if isinstance(entry, Source):
                        continue
                    waiting.append(pool.submit(self._follow, entry))
                    if len(waiting) > 2 * _LOOKS:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _follow(self, entry: Entry | Fault) -> Listing | ListingProblem:
        if isinstance(entry, Fault):
            return ListingProblem(uri=self._uri, reason=f"line {entry.line}: {entry.reason}")
        try:
            found = self._look(entry.uri)
        except StoreError as error:
            return ListingProblem(uri=entry.uri, reason=f"line {entry.line}: {error.reason}")
        if found is None:
            return ListingProblem(uri=entry.uri, reason=f"line {entry.line}: there is no such file")
        return found._replace(name=entry.name)


def read_manifest(path: Path) -> Iterator[Entry | Source | Fault]:
    """Yield what each line names, as the file is read.

    Raises:
        SourceError: the list cannot be read, or a .csv has no column that could be meant.
    """
    label = f"@{displayed(path)}"
    try:
        with path.open(encoding=_encoding(path), errors="surrogateescape", newline="") as file:
            for line, text in _values(file, path.suffix.lower(), label):
                if isinstance(text, Fault):
                    yield text
                elif (reason := _unusable(text)) is not None:
                    yield Fault(line=line, reason=reason)
                else:
                    yield resolve(text, line=line, folder=path.parent)
    except OSError as error:
        raise SourceError(label, f"the list cannot be read ({error.strerror}).") from error
    except UnicodeError as error:
        raise SourceError(label, "the list is not text; save it as UTF-8.") from error


def resolve(text: str, *, line: int, folder: Path) -> Entry | Source | Fault:
    """Say which file, folder, bucket or prefix a value names.

    A local path is looked at, unless it is called as videos are. In a bucket, where nothing tells
    an object from a prefix, what ends in a slash is one.

    >>> resolve("a b.mp4", line=1, folder=Path("/films"))
    Entry(line=1, uri='file:///films/a%20b.mp4', name='a b.mp4')
    >>> resolve("gs://bucket/a.mp4", line=2, folder=Path("/films"))
    Fault(line=2, reason='gs:// is not known; name a path, file://, s3:// or http(s)://')
    """
    match scheme_of(text):
        case None:
            return _local_entry(text, line=line, folder=folder)
        case "file":
            return _local_entry(str(path_of(text)), line=line, folder=folder)
        case "s3":
            return _bucket_entry(text, line=line)
        case "http" | "https":
            return _web_entry(text, line=line)
        case scheme:
            reason = f"{scheme}:// is not known; name a path, file://, s3:// or http(s)://"
            return Fault(line=line, reason=reason)


def _bucket_entry(text: str, *, line: int) -> Entry | Source | Fault:
    bucket, key = split_s3(text)
    if not bucket:
        return Fault(line=line, reason="s3:// names no bucket")
    if not key or key.endswith("/"):
        return parse_source(text)
    return Entry(line=line, uri=f"s3://{bucket}/{key}", name=f"{bucket}/{key}")


def _unusable(text: str) -> str | None:
    """Why no address and no path can be spelled like this; None if one can."""
    if "\0" in text:
        return "a path cannot hold a null character"
    try:
        # Bytes that are no text may be a path's, or are quoted in an address; a key has none.
        text.encode() if scheme_of(text) == "s3" else os.fsencode(text)
    except UnicodeEncodeError:
        return "it holds what is no text; save the list as UTF-8"
    return None


def _local_entry(text: str, *, line: int, folder: Path) -> Entry | Source | Fault:
    if "\0" in text:
        return Fault(line=line, reason="a path cannot hold a null character")
    path = absolute(folder / text)
    may_be_folder = text.endswith("/") or not is_video_name(path.name)
    if may_be_folder and os.path.isdir(path):  # noqa: PTH112 - takes what is no path for no folder
        return Source(uri=file_uri(path), kind=SourceKind.FOLDER, label=displayed(path))
    below = path.relative_to(folder) if path.is_relative_to(folder) else path
    return Entry(line=line, uri=file_uri(path), name=displayed(below))


def _web_entry(text: str, *, line: int) -> Entry | Fault:
    uri = web_uri(text)
    try:
        parts = urlsplit(uri)
        host = parts.hostname if parts.port != 0 else None  # what is no port may be a password
        secret = holds_a_secret(uri)
    except ValueError:
        host, secret = None, False
    if not host:
        return Fault(line=line, reason="the web address names no host")
    if secret:
        reason = (
            "the web address carries a password, token or signature, which the catalog would keep;"
            " name the plain address or s3://bucket/key"
        )
        return Fault(line=line, reason=reason)
    name = storable(f"{host}/{unquote(parts.path).lstrip('/')}")
    return Entry(line=line, uri=uri, name=name)


def _encoding(path: Path) -> str:
    """Tell by the first bytes; Windows writes UTF-16 when a list comes out of its shell."""
    with path.open("rb") as file:
        head = file.read(3)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return "utf-8-sig"


def _values(file: TextIO, suffix: str, label: str) -> Iterator[tuple[int, str | Fault]]:
    match suffix:
        case ".csv":
            return _csv_values(file, label)
        case ".jsonl":
            return ((line, _json_value(text, line)) for line, text in _lines(file))
        case _:
            return _lines(file)


def _lines(file: TextIO) -> Iterator[tuple[int, str | Fault]]:
    lines, line = BoundedLines(file), 0
    try:
        for line, text in enumerate(lines, start=1):
            lines.begin_row()
            stripped = text.strip()
            if stripped and not stripped.startswith("#"):
                yield line, stripped
    except LineTooLong:
        yield line + 1, Fault(line=line + 1, reason=_TOO_LONG)


def _json_value(text: str | Fault, line: int) -> str | Fault:
    if isinstance(text, Fault):
        return text
    value = read_json(text, as_written=True)  # bytes of a path that are no UTF-8 are kept
    if value is None:
        return Fault(line=line, reason="this is not JSON, or it says the same name twice")
    if isinstance(value, dict):
        value = next((value[column] for column in _COLUMNS if column in value), None)
    if not isinstance(value, str) or not value.strip():
        return Fault(line=line, reason="neither a string nor an object with uri, url or path")
    return value


def _csv_values(file: TextIO, label: str) -> Iterator[tuple[int, str | Fault]]:
    bounded = BoundedLines(file)
    # A comment becomes a blank line, which csv passes over, so that its line count stays right.
    lines = ("\n" if text.lstrip().startswith("#") else text for text in bounded)
    skipped = 0
    header = ""
    names: list[str] = []
    delimiter = ","
    try:
        for header in lines:
            skipped += 1
            if header.strip():
                break
        delimiter = max(",;\t", key=header.count)
        first = next(csv.reader([header], delimiter=delimiter), [])
        names = [name.strip().lower() for name in first]
    except (csv.Error, LineTooLong):
        pass
    column = next((names.index(name) for name in _COLUMNS if name in names), None)
    if column is None:
        raise SourceError(label, "its first line must name a column uri, url or path; add one.")
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        bounded.begin_row()
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            line = skipped + rows.line_num
            yield line, Fault(line=line, reason=f"not a row of a .csv ({error})")
            continue
        except LineTooLong:
            line = skipped + rows.line_num + 1
            yield line, Fault(line=line, reason=_TOO_LONG)
            return
        line = skipped + rows.line_num
        if not any(value.strip() for value in row):
            continue
        value = row[column].strip() if column < len(row) else ""
        yield line, value or Fault(line=line, reason=f"nothing in the column {names[column]}")
