"""Files on this machine's own folders: listed, looked at, opened read-only.

Nothing is written, not even beside an original.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

from catalog.errors import SourceError
from catalog.values import Listing, ListingProblem
from tasks.storage.errors import (
    FileChanged,
    FileForbidden,
    FileUnreadable,
    FileVanished,
    LinkNotFollowed,
    StoreError,
    in_words,
)
from tasks.storage.safe_open import LinkLeadsOut, NotRegular, open_below, open_named
from tasks.storage.store import CountedReader
from tasks.storage.uris import displayed, path_of
from tasks.storage.walking import Walk
from tasks.untrusted_values import MOST_INTEGER


class FolderLister:
    """Everything below one folder that may be a video."""

    def __init__(self, uri: str, *, follow_links: bool = False) -> None:
        self._uri = uri
        self._follow_links = follow_links

    def list(self) -> Iterator[Listing | ListingProblem]:
        """Yield candidates folder by folder; unreadable folders become problems.

        Raises:
            SourceError: as `Lister.list`.
        """
        _require_readable(path_of(self._uri))
        yield from Walk(self._uri, follow_links=self._follow_links).files()


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


class Stamp(NamedTuple):
    """By what a file of this machine is known. Who may write to it can set all but `ctime_ns`."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


class LocalFile(CountedReader):
    """An original, open read-only."""

    def __init__(self, uri: str, descriptor: int, stamp: Stamp) -> None:
        super().__init__(size=stamp.size)
        self._uri = uri
        self._descriptor = descriptor
        #: As it was when it was opened.
        self.stamp = stamp

    def fileno(self) -> int:
        """Return the descriptor of what was opened, whatever lies under its name by now."""
        return self._descriptor

    def require_unchanged(self) -> None:
        """See that nobody wrote to it since it was opened.

        Raises:
            FileChanged: somebody did.
        """
        if _stamp(self._descriptor) != self.stamp:
            raise FileChanged(self._uri)

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next `size` bytes, or all that is left."""
        left = max(0, self.size - self._position)
        if self.closed or size is None or not 0 < size <= left:
            return super().read(size)
        try:
            found = os.pread(self._descriptor, size, self._position)
        except OSError as error:
            raise _store_error(self._uri, error) from error
        if len(found) < size:
            return super().read(size)  # which goes on, or says that the file is shorter by now
        self._position += size
        self.bytes_read += size
        return found

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

    def __init__(self, *, follow_links: bool = False) -> None:
        self._follow_links = follow_links

    def open(
        self,
        uri: str,
        *,
        size: int,
        etag: str | None = None,
        version: str | None = None,
        root: str | None = None,
    ) -> LocalFile:
        """Open a regular file of the listed size; folders keep neither ETags nor versions.

        Raises:
            LinkNotFollowed: a link on the way leads out of `root`.
        """
        del etag, version
        path = path_of(uri)
        try:
            if root is None or self._follow_links:
                descriptor = open_named(path)
            else:
                descriptor = open_below(_path_of_root(root), path)
        except OSError as error:
            raise _store_error(uri, error) from error
        stamp = _stamp(descriptor)
        if stamp.size == size:
            return LocalFile(uri, descriptor, stamp)
        os.close(descriptor)
        raise FileChanged(uri)

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


#: One root has many files.
_path_of_root = lru_cache(maxsize=64)(path_of)


def _require_readable(root: Path) -> None:
    """Raise SourceError unless the folder can be listed."""
    label = displayed(root)
    try:
        os.scandir(root).close()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SourceError(label, "there is no such folder; check the path.") from error
    except OSError as error:
        raise SourceError(label, f"{in_words(error)}.") from error


def _stamp(descriptor: int) -> Stamp:
    found = os.fstat(descriptor)
    return Stamp(
        device=found.st_dev,
        inode=found.st_ino,
        size=found.st_size,
        mtime_ns=found.st_mtime_ns,
        ctime_ns=found.st_ctime_ns,
    )


def _listing(found: os.stat_result, *, uri: str, name: str) -> Listing:
    mtime_ns = min(found.st_mtime_ns, MOST_INTEGER)  # file systems know later
    return Listing(uri=uri, name=name, size=found.st_size, mtime_ns=mtime_ns)


def _store_error(uri: str, error: OSError) -> StoreError:
    if isinstance(error, LinkLeadsOut):
        return LinkNotFollowed(uri)
    if isinstance(error, NotRegular):
        return FileUnreadable(uri, "it is not a file")
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return FileVanished(uri)
    if isinstance(error, PermissionError):
        return FileForbidden(uri, in_words(error))
    return FileUnreadable(uri, in_words(error))
