"""Opens a file of this machine without being led out of the folder that it was found below.

A stranger may put a link, a pipe or another file in the place of one that was listed, at any time.
So a path is opened folder by folder, each by its name in the one before, and no step follows a
link. A link that stays below the root is resolved, and what it leads to is opened in the same way.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from stat import S_ISLNK, S_ISREG

# Opening a pipe that took a video's name must not wait for somebody to write into it.
_READ_ONLY = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
#: Only to go on from there: a folder that may be entered but not listed will do, where the system
#: can tell the two apart.
_STEP = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC
_LISTED = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
#: Folders above the one that is listed.
_MOST_OPEN = 32


class LinkLeadsOut(OSError):
    """A link on the way leads out of the root."""


class NotRegular(OSError):
    """There is something, but it is no regular file."""


class _LinkMet(OSError):
    """A link is in the way."""


def open_named(path: Path) -> int:
    """Open a regular file that was named itself, through links if it is one.

    Raises:
        NotRegular, OSError: as the system says.
    """
    return _regular(os.open(path, _READ_ONLY))


def open_below(root: Path, path: Path) -> int:
    """Open a regular file below a folder. The folder may be a link; no link below it leads out.

    Raises:
        LinkLeadsOut, NotRegular, OSError: as the system says.
    """
    try:
        return _open_file(root, path)
    except _LinkMet:
        inside = _resolved(root, path)
    try:
        return _open_file(*inside)
    except _LinkMet as error:  # put there since it was resolved
        raise LinkLeadsOut(*error.args) from error


class Folders:
    """Opens the folders below a root to be listed, through no link at all below the root.

    Each is opened from the nearest one above it that is still open, so that one that lies deep
    costs no more than another.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._longest = os.pathconf("/", "PC_PATH_MAX")
        #: From the root on; each lies below the one before. Relative to the root.
        self._open: list[tuple[str, int]] = []

    def open(self, below: str) -> int:
        """Open a folder; its descriptor is good until the next one is opened.

        Raises:
            LinkLeadsOut, OSError: as the system says.
        """
        if len(os.fsencode(self._root / below)) >= self._longest:  # nobody could read what is there
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        while self._open and not _is_below(below, self._open[-1][0]):
            os.close(self._open.pop()[1])
        if not self._open:
            self._open.append(("", os.open(self._root, _LISTED)))
        above, at = self._open[-1]
        if below != above:
            inner = below[len(above) :].strip("/").split("/")
            try:
                self._open.append((below, _open_folder(at, inner)))
            except _LinkMet as error:
                raise LinkLeadsOut(*error.args) from error
        if len(self._open) > _MOST_OPEN:
            os.close(self._open.pop(1)[1])
        return self._open[-1][1]

    def close(self) -> None:
        """Let go of all of them."""
        while self._open:
            os.close(self._open.pop()[1])

    def __del__(self) -> None:
        self.close()


def path_to(descriptor: int) -> str | None:
    """Give a path by which processes of the same user open what is open here, whatever its name.

    None where the system offers none.
    """
    path = f"/proc/{os.getpid()}/fd/{descriptor}"
    return path if os.path.exists(path) else None  # noqa: PTH110 - no link to be resolved


def _open_file(root: Path, path: Path) -> int:
    # As text: taking paths apart would take longer than opening them.
    above, whole = os.fspath(root).rstrip("/") + "/", os.fspath(path)
    *folders, name = whole.removeprefix(above).split("/")
    if not whole.startswith(above) or name == os.pardir:
        raise _error(LinkLeadsOut)
    at = _walk_down(root, folders)
    try:
        kind = os.stat(name, dir_fd=at, follow_symlinks=False).st_mode
        if S_ISLNK(kind):
            raise _error(_LinkMet)
        if not S_ISREG(kind):  # opening a device may do something to it
            raise _error(NotRegular)
        return _regular(_open_in(at, name, _READ_ONLY))
    finally:
        os.close(at)


def _is_below(folder: str, above: str) -> bool:
    return not above or folder == above or folder.startswith(f"{above}/")


def _walk_down(root: Path, folders: Sequence[str]) -> int:
    """Go from the root from folder to folder; gives the last one's descriptor."""
    at = os.open(root, _STEP)
    if not folders:
        return at
    try:
        return _open_folder(at, folders, _STEP)
    finally:
        os.close(at)


def _open_folder(at: int, folders: Sequence[str], last: int = _LISTED) -> int:
    """Go on from an open folder, which stays open; `last` is how the last one is opened."""
    here = at
    for number, folder in enumerate(folders, start=1):
        try:
            if folder == os.pardir:
                raise _error(LinkLeadsOut)
            inner = _open_in(here, folder, last if number == len(folders) else _STEP)
        finally:
            if here != at:
                os.close(here)
        here = inner
    return here


def _open_in(at: int, name: str, flags: int) -> int:
    try:
        return os.open(name, flags | os.O_NOFOLLOW, dir_fd=at)
    except OSError as error:
        # Systems differ in what they say of a link that is not to be followed.
        if S_ISLNK(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode):
            raise _error(_LinkMet) from error
        raise


def _regular(descriptor: int) -> int:
    if S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise _error(NotRegular)


def _resolved(root: Path, path: Path) -> tuple[Path, Path]:
    """Resolve the links of both; raises LinkLeadsOut if the path is not below the root then."""
    real_root, real = _resolved_path(root), _resolved_path(path)
    if not real.is_relative_to(real_root) or real == real_root:
        raise _error(LinkLeadsOut)
    return real_root, real


def _error(kind: type[OSError]) -> OSError:
    return kind(errno.ELOOP, os.strerror(errno.ELOOP))


def _resolved_path(path: Path) -> Path:
    return Path(os.path.realpath(path))
