"""The walk through one folder of this machine, folder by folder, in whatever process it goes on.

It keeps a list of folders instead of recursing, never follows a link to a folder, and asks the
disk for nothing but the candidates' sizes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from urllib.parse import quote_from_bytes

from catalog.values import Listing, ListingProblem
from tasks.storage.candidates import is_skipped_folder, is_video_name
from tasks.storage.errors import in_words
from tasks.storage.uris import displayed, path_of
from tasks.untrusted_values import MOST_INTEGER

#: A name that is the same in a URI.
_is_plain = re.compile(r"[A-Za-z0-9_.~-]+").fullmatch

#: `Listing(…)` with all its fields, at a third of the time.
_new = tuple.__new__


class Walk:
    """Everything below one folder that may be a video, as far as it was not met yet."""

    def __init__(self, root_uri: str, folders: Sequence[str] = ("",)) -> None:
        """Begin at the root, or go on where another walk stands.

        Args:
            root_uri: `file://` URI of the folder.
            folders: what is left of another walk, as its `folders` says.
        """
        self.root_uri = root_uri
        #: Folders relative to the root that are still to be read, the next one last.
        self.folders = list(folders)
        self._root = path_of(root_uri)
        self._base = root_uri.removesuffix("/")  # of file:/// too

    def on(self) -> Iterator[Listing | ListingProblem]:
        """Yield all that is left; unreadable folders become problems."""
        while self.folders:
            yield from self.folder()

    def folder(self) -> Iterator[Listing | ListingProblem]:
        """Yield what is in the next folder, or the problem that it is."""
        below, inner = self.folders.pop(), list[str]()
        try:
            yield from self._list(below, inner)
        except OSError as error:
            # Also a folder that went away meanwhile: perhaps it was unmounted, not deleted.
            yield ListingProblem(uri=self._uri(below), reason=in_words(error))
        # By URI, the last first: what is listed together then lies together in the catalog.
        inner.sort(key=lambda folder: self._uri(folder) + "/", reverse=True)
        self.folders.extend(inner)

    def _list(self, below: str, inner: list[str]) -> Iterator[Listing | ListingProblem]:
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
                        mtime_ns = min(found.st_mtime_ns, MOST_INTEGER)  # file systems know later
                        fields = (uri, shown, found.st_size, mtime_ns, None, None, None)
                        yield _new(Listing, fields)

    def _uri(self, below: str) -> str:
        return f"{self._base}/{quote_from_bytes(os.fsencode(below))}".removesuffix("/")


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _problem_of(entry: os.DirEntry[str], uri: str, error: OSError) -> Iterator[ListingProblem]:
    """Tell why a candidate could not be looked at; nothing where it is no longer there."""
    if not isinstance(error, FileNotFoundError):
        yield ListingProblem(uri=uri, reason=in_words(error))
    elif entry.is_symlink():
        # A file may go while the folder is read; a link that leads nowhere stays and is told.
        yield ListingProblem(uri=uri, reason="the link points to nothing")
