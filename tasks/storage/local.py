"""Files on this machine's own folders: walked, looked at, opened read-only.

The walk keeps a list of folders instead of recursing, never follows a link to a folder, and asks
the disk for nothing but the candidates' sizes. Nothing is written, not even beside an original.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from stat import S_ISREG
from urllib.parse import quote_from_bytes

from catalog.errors import SourceError
from catalog.values import Listing, ListingProblem
from tasks.storage.candidates import is_skipped_folder, is_video_name
from tasks.storage.errors import (
    FileChanged,
    FileForbidden,
    FileUnreadable,
    FileVanished,
    StoreError,
)
from tasks.storage.store import CountedReader
from tasks.storage.uris import displayed, path_of

# Opening a pipe that took a video's name must not wait for somebody to write into it.
_READ_ONLY = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK


#: A name that is the same in a URI.
_is_plain = re.compile(r"[A-Za-z0-9_.~-]+").fullmatch

#: `Listing(…)` with all its fields, at a third of the time.
_new = tuple.__new__


class FolderLister:
    """Everything below one folder that may be a video."""

    def __init__(self, uri: str) -> None:
        self._root = path_of(uri)
        self._root_uri = uri.removesuffix("/")  # of file:/// too

    def list(self) -> Iterator[Listing | ListingProblem]:
        """Yield candidates folder by folder; unreadable folders become problems."""
        _require_readable(self._root)
        folders = deque([""])
        while folders:
            below, inner = folders.pop(), deque[str]()
            try:
                yield from self._list_folder(below, inner)
            except OSError as error:
                # Also a folder that went away meanwhile: perhaps it was unmounted, not deleted.
                yield ListingProblem(uri=self._uri(below), reason=_sentence(error))
            # By URI, the last first: what is listed together then lies together in the catalog.
            folders.extend(sorted(inner, key=lambda folder: self._uri(folder) + "/", reverse=True))

    def _list_folder(self, below: str, inner: deque[str]) -> Iterator[Listing | ListingProblem]:
        """Yield one folder's candidates; append what folders are in it, relative to the root."""
        # No call that can be spared: a million files pass here to be left as they are.
        prefix = f"{below}/" if below else ""
        shown_prefix, uri_prefix = displayed(prefix), self._uri(below) + "/"
        # By its descriptor: an entry is then looked at by its name, not by the whole path to it.
        with _opened(self._root / below) as folder, os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name
                if entry.is_dir(follow_symlinks=False):
                    if not is_skipped_folder(name):
                        inner.append(prefix + name)
                elif is_video_name(name):
                    if _is_plain(name):  # most are, and quoting takes longer than looking
                        uri, shown = uri_prefix + name, shown_prefix + name
                    else:
                        uri = uri_prefix + quote_from_bytes(os.fsencode(name))
                        shown = displayed(prefix + name)
                    try:
                        found = entry.stat()  # through a link if it is one
                    except OSError as error:
                        yield from _problem_of(entry, uri, error)
                        continue
                    if S_ISREG(found.st_mode):
                        fields = (uri, shown, found.st_size, found.st_mtime_ns, None, None, None)
                        yield _new(Listing, fields)

    def _uri(self, below: str) -> str:
        return f"{self._root_uri}/{quote_from_bytes(os.fsencode(below))}".removesuffix("/")


class FileLister:
    """One file, whatever it is called."""

    def __init__(self, uri: str) -> None:
        self._uri = uri

    def list(self) -> Iterator[Listing | ListingProblem]:
        """Yield the file.

        Raises:
            SourceError: it cannot be looked at.
        """
        label = displayed(path_of(self._uri))
        try:
            found = LocalReader().look(self._uri)
        except StoreError as error:
            raise SourceError(label, f"{error.reason}.") from error
        if found is None:
            raise SourceError(label, "there is no such file; check the path.")
        yield found


class LocalFile(CountedReader):
    """An original, open read-only."""

    def __init__(self, uri: str, descriptor: int, *, size: int) -> None:
        super().__init__(size=size)
        self._uri = uri
        self._descriptor = descriptor

    def _read_at(self, position: int, into: memoryview) -> int:
        filled = 0
        while filled < len(into):
            try:
                count = os.preadv(self._descriptor, [into[filled:]], position + filled)
            except OSError as error:
                raise _store_error(self._uri, error) from error
            if count == 0:
                raise FileChanged(self._uri)
            filled += count
            self.bytes_read += count
        return filled

    def close(self) -> None:
        """Let go of the file."""
        if not self.closed:
            os.close(self._descriptor)
        super().close()


class LocalReader:
    """`file://` URIs."""

    def open(
        self, uri: str, *, size: int, etag: str | None = None, version: str | None = None
    ) -> CountedReader:
        """Open a regular file of the listed size; folders keep neither ETags nor versions."""
        del etag, version
        try:
            descriptor = os.open(path_of(uri), _READ_ONLY)
        except OSError as error:
            raise _store_error(uri, error) from error
        found = os.fstat(descriptor)
        if S_ISREG(found.st_mode) and found.st_size == size:
            return LocalFile(uri, descriptor, size=size)
        os.close(descriptor)
        if S_ISREG(found.st_mode):
            raise FileChanged(uri)
        raise FileUnreadable(uri, "it is not a file")

    def look(self, uri: str) -> Listing | None:
        """Stat the file."""
        path = path_of(uri)
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _store_error(uri, error) from error
        if not S_ISREG(found.st_mode):
            raise FileUnreadable(uri, "it is not a file")
        return _listing(found, uri=uri, name=displayed(path.name))

    def provider_url(
        self, uri: str, *, version: str | None, token: str, expires_in: timedelta
    ) -> str | None:
        """None: the provider cannot reach this machine, so the file must be uploaded."""
        del uri, version, token, expires_in
        return None

    def local_path(self, uri: str) -> Path | None:
        """Return the path."""
        return path_of(uri)


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _require_readable(root: Path) -> None:
    """Raise SourceError unless the folder can be listed."""
    label = displayed(root)
    try:
        os.scandir(root).close()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SourceError(label, "there is no such folder; check the path.") from error
    except OSError as error:
        raise SourceError(label, f"{_sentence(error)}.") from error


def _problem_of(entry: os.DirEntry[str], uri: str, error: OSError) -> Iterator[ListingProblem]:
    """Tell why a candidate could not be looked at; nothing where it is no longer there."""
    if not isinstance(error, FileNotFoundError):
        yield ListingProblem(uri=uri, reason=_sentence(error))
    elif entry.is_symlink():
        # A file may go while the folder is read; a link that leads nowhere stays and is told.
        yield ListingProblem(uri=uri, reason="the link points to nothing")


def _listing(found: os.stat_result, *, uri: str, name: str) -> Listing:
    return Listing(uri=uri, name=name, size=found.st_size, mtime_ns=found.st_mtime_ns)


def _store_error(uri: str, error: OSError) -> StoreError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return FileVanished(uri)
    if isinstance(error, PermissionError):
        return FileForbidden(uri, _sentence(error))
    return FileUnreadable(uri, _sentence(error))


def _sentence(error: OSError) -> str:
    """Say what the operating system said, without the path it said it about."""
    if isinstance(error, PermissionError):
        return "permission denied; let the user who runs reelcat read it"
    words = error.strerror or type(error).__name__
    return f"the system says: {words[:1].lower()}{words[1:]}"
