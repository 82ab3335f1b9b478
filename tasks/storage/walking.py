"""The walk through one folder of this machine, folder by folder.

It keeps a list of folders instead of recursing, and asks the disk for nothing but the candidates'
sizes. A link to a file is followed as long as it stays below the root, one to a folder never: what
lies there is listed where it lies. Links that lead out are named, and followed only on request.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from urllib.parse import quote_from_bytes

from catalog.values import Listing, ListingProblem
from tasks.storage.candidates import is_skipped_folder, is_video_name
from tasks.storage.errors import in_words
from tasks.storage.safe_open import Folders, LinkLeadsOut
from tasks.storage.uris import displayed, path_of
from tasks.untrusted_values import MOST_INTEGER

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
