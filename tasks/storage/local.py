"""Files of this machine's folders: listed, looked at, opened read-only.

Nothing is written, not even next to an original. A walk keeps a list of folders instead of
recursing, and asks the disk for nothing but the candidates' sizes. A link to a file is followed as
long as it stays below the root, one to a folder never: what lies there is listed where it lies.
Links that lead out are named, and followed only on request.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import NamedTuple
from urllib.parse import quote_from_bytes

from catalog.errors import SourceError
from catalog.values import Listing, ListingProblem
from tasks.foundation.untrusted_values import MOST_INTEGER
from tasks.storage.errors import (
    FileChanged,
    FileForbidden,
    FileUnreadable,
    FileVanished,
    LinkNotFollowed,
    StoreError,
    in_words,
)
from tasks.storage.safe_open import Folders, LinkLeadsOut, NotRegular, open_below, open_named
from tasks.storage.source import is_skipped_folder, is_video_name
from tasks.storage.store import CountedReader
from tasks.storage.uris import displayed, path_of

#: A name that is the same in a URI.
_is_plain = re.compile(r"[A-Za-z0-9_.~-]+").fullmatch

#: `Listing(…)` with all its fields, at a third of the time.
_new = tuple.__new__


class Walk:
    """Everything below one folder that may be a video.

    Args:
        root_uri: `file://` URI of the folder.
        follow_links: also follow links that lead out of the root.
        folders: where to begin, relative to the root.
    """

    def __init__(
        self, root_uri: str, *, follow_links: bool = False, folders: Sequence[str] = ("",)
    ) -> None:
        self._follow_links = follow_links
        #: Real paths of the folders outside that links have led to; each is entered once.
        self._followed: list[str] = []
        #: Folders relative to the root that are still to be read, the next one last.
        self._folders = list(folders)
        self._root = path_of(root_uri)
        self._base = root_uri.removesuffix("/")  # of file:/// too
        self._real_root = Path(os.path.realpath(self._root))
        self._opening = Folders(self._root)

    def files(self) -> Iterator[Listing | ListingProblem]:
        """Yield what may be a video; unreadable folders become problems."""
        while self._folders:
            yield from self._next_folder()

    def _next_folder(self) -> Iterator[Listing | ListingProblem]:
        """Yield what is in the next folder, or the problem that it is."""
        below, inner = self._folders.pop(), list[str]()
        try:
            yield from self._list(below, inner)
        except LinkLeadsOut:
            reason = "the folder was replaced by a link while it was listed; run it again"
            yield ListingProblem(uri=self._uri(below), reason=reason)
        except OSError as error:
            # Also a folder that went away meanwhile: perhaps it was unmounted, not deleted.
            yield ListingProblem(uri=self._uri(below), reason=in_words(error))
        # By URI, the last first: what is listed together then lies together in the catalog.
        inner.sort(key=lambda folder: self._uri(folder) + "/", reverse=True)
        self._folders.extend(inner)
        if not self._folders:
            self._opening.close()

    def _list(self, below: str, inner: list[str]) -> Iterator[Listing | ListingProblem]:
        """Yield one folder's candidates; append what folders are in it, relative to the root."""
        # No call that can be spared: a million files pass here to be left as they are.
        prefix = f"{below}/" if below else ""
        shown_prefix, uri_prefix = displayed(prefix), self._uri(below) + "/"
        # By its descriptor: an entry is then looked at by its name, not by the whole path to it.
        with self._opened(below) as folder, os.scandir(folder) as entries:
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
                        found = entry.stat(follow_symlinks=False)
                    except OSError as error:
                        yield from _problem(uri, error)
                        continue
                    if S_ISREG(found.st_mode):
                        time = min(found.st_mtime_ns, MOST_INTEGER)  # file systems know later
                        fields = (uri, shown, found.st_size, time, None, None, None, None, None)
                        yield _new(Listing, fields)
                    else:
                        yield from self._linked(entry, prefix, inner)
                elif entry.is_symlink():
                    yield from self._linked(entry, prefix, inner)

    def _linked(
        self, entry: os.DirEntry[str], prefix: str, inner: list[str]
    ) -> Iterator[Listing | ListingProblem]:
        """Yield the file that a link leads to, or why not. A folder to be entered joins `inner`."""
        if not entry.is_symlink() or is_skipped_folder(entry.name):
            return
        below = prefix + entry.name
        uri = self._uri(below)
        target = Path(os.path.realpath(self._root / below))
        leads_out = not target.is_relative_to(self._real_root)
        left_out = leads_out and not self._follow_links
        is_named_so = is_video_name(entry.name)
        try:
            found = entry.stat()
        except FileNotFoundError:
            if is_named_so:
                yield ListingProblem(uri=uri, reason="the link points to nothing")
            return
        except OSError as error:
            if is_named_so:
                yield ListingProblem(uri=uri, reason=in_words(error), leads_out=left_out)
            return
        is_film = is_named_so and S_ISREG(found.st_mode)
        if left_out and (is_film or S_ISDIR(found.st_mode)):
            yield ListingProblem(uri=uri, reason="the link leads out", leads_out=True)
        elif is_film:
            yield Listing(
                uri=uri,
                name=displayed(below),
                size=found.st_size,
                mtime_ns=found.st_mtime_ns,
            )
        elif leads_out and S_ISDIR(found.st_mode) and not self._was_followed(target):
            self._followed.append(os.fspath(target))
            inner.append(below)

    def _was_followed(self, target: Path) -> bool:
        return any(map(target.is_relative_to, self._followed))

    @contextmanager
    def _opened(self, below: str) -> Iterator[int]:
        if not self._follow_links:
            yield self._opening.open(below)
            return
        descriptor = os.open(self._root / below, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _uri(self, below: str) -> str:
        return f"{self._base}/{quote_from_bytes(os.fsencode(below))}".removesuffix("/")


def _problem(uri: str, error: OSError) -> Iterator[ListingProblem]:
    """Tell why a candidate could not be looked at; nothing where it is no longer there."""
    if not isinstance(error, FileNotFoundError):  # files may go while their folder is read
        yield ListingProblem(uri=uri, reason=in_words(error))


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
