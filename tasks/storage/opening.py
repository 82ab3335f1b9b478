"""Opens a file of this machine without being led out of the folder that it was found below.

A stranger may put a link, a pipe or another file in the place of one that was listed, at any time.
So a path is opened folder by folder, each by its name in the one before, and no step follows a
link. A link that stays below the root is resolved, and what it leads to is opened in the same way.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from stat import S_ISLNK, S_ISREG

# Opening a pipe that took a video's name must not wait for somebody to write into it.
_READ_ONLY = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
#: Only to go on from there: a folder that may be entered but not listed will do, where the system
#: can tell the two apart.
_STEP = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC
_LISTED = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


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


def open_folder_below(root: Path, below: str) -> int:
    """Open a folder to be listed, through no link at all below `root`.

    Raises:
        LinkLeadsOut, OSError: as the system says.
    """
    try:
        return _open_step(root, *below.split("/")) if below else os.open(root, _LISTED)
    except _LinkMet as error:
        raise LinkLeadsOut(*error.args) from error


def leads_out(root: Path, path: Path) -> bool:
    """Tell whether a path below `root` leads out of it by links."""
    return not _resolved_path(path).is_relative_to(_resolved_path(root))


def path_to(descriptor: int) -> str | None:
    """Give a path by which processes of the same user open what is open here, whatever its name.

    None where the system offers none.
    """
    path = f"/proc/{os.getpid()}/fd/{descriptor}"
    return path if os.path.exists(path) else None  # noqa: PTH110 - no link to be resolved


def _open_file(root: Path, path: Path) -> int:
    *folders, name = path.relative_to(root).parts
    at = _walk_down(root, folders)
    try:
        if name == os.pardir:
            raise _error(LinkLeadsOut)
        kind = os.stat(name, dir_fd=at, follow_symlinks=False).st_mode
        if S_ISLNK(kind):
            raise _error(_LinkMet)
        if not S_ISREG(kind):  # opening a device may do something to it
            raise _error(NotRegular)
        return _regular(_open_in(at, name, _READ_ONLY))
    finally:
        os.close(at)


def _open_step(root: Path, *folders: str) -> int:
    *before, last = folders
    at = _walk_down(root, before)
    try:
        return _open_in(at, last, _LISTED)
    finally:
        os.close(at)


def _walk_down(root: Path, folders: list[str]) -> int:
    """Go from the root from folder to folder; gives the last one's descriptor."""
    at = os.open(root, _STEP)
    for folder in folders:
        try:
            if folder == os.pardir:
                raise _error(LinkLeadsOut)
            inner = _open_in(at, folder, _STEP)
        finally:
            os.close(at)
        at = inner
    return at


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
