"""The file that is written for somebody to take away: whole or not at all, private, and no other.

A file that is there is replaced only when all is written. Pipes and devices are written as they
are. A link is not followed, because whoever made it decides what would be overwritten.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TextIO

from catalog.errors import UsageError

_PRIVATE: Final = 0o600
#: Names by which a process's own streams are opened; they are links, but of the system.
_STREAM = re.compile(r"/(?:dev|proc/self)/fd/(\d+)")
_STREAMS: Final = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
#: What SQLite keeps next to a database.
_COMPANIONS: Final = ("", "-wal", "-shm", "-journal")


def read_mode(asked: str | None) -> int | None:
    """Return the mode of a new file; None for what the umask leaves.

    Raises:
        UsageError: it is neither `umask` nor an octal number.
    """
    if asked is None:
        return _PRIVATE
    if asked == "umask":
        return None
    if re.fullmatch(r"0?[0-7]{3}", asked):
        return int(asked, 8)
    raise UsageError(f"--mode takes umask or three octal digits such as 640, not {asked!r}.")


def write_out(
    path: Path, write: Callable[[TextIO], None], *, mode: int | None, catalog: Path | None
) -> None:
    """Write what `path` names.

    Args:
        path: a file, a pipe or a device.
        write: is given the file, opened as text.
        mode: of the file; None for what the umask leaves. Pipes and devices keep theirs.
        catalog: the file of the open catalog, which is never written over.

    Raises:
        UsageError: it is none of those, or cannot be written.
    """
    try:
        stream = _stream(path)
        if stream is not None:
            _refuse_catalog(path, os.fstat(stream), catalog)
            _write(os.dup(stream), write)
        elif (there := _look(path)) is None or stat.S_ISREG(there.st_mode):
            _replace(path, write, mode=mode, catalog=catalog)
        else:
            _write_straight(path, write)
    except BrokenPipeError:
        raise  # whoever reads a pipe may have read enough
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UsageError(f"{path} cannot be written: {reason}; name another file.") from error
    except ValueError as error:  # a name with a zero byte
        raise UsageError("This is no name for a file; name another one with -o.") from error


def _stream(path: Path) -> int | None:
    name = os.path.normpath(path)
    if name.startswith("//"):
        name = name[1:]
    match = _STREAM.fullmatch(name)
    return int(match[1]) if match else _STREAMS.get(name)


def _look(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except FileNotFoundError:
        return None


def _replace(
    path: Path, write: Callable[[TextIO], None], *, mode: int | None, catalog: Path | None
) -> None:
    """Write a file next to it that takes the place of `path` when it is whole and on the disk."""
    with _opened_folder(path.parent) as folder:
        _refuse(path, folder, catalog)
        temporary = f".reelcat-export-{secrets.token_hex(16)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        opened = os.open(temporary, flags, 0o666 if mode is None else _PRIVATE, dir_fd=folder)
        try:
            if mode is not None:
                os.fchmod(opened, mode)
            _write(opened, write, whole=True)
            _refuse(path, folder, catalog)  # it may be another by now
            os.replace(temporary, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=folder)
            raise
        with suppress(OSError):  # some file systems cannot
            os.fsync(folder)


@contextmanager
def _opened_folder(path: Path) -> Iterator[int]:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield folder
    finally:
        os.close(folder)


def _refuse(path: Path, folder: int, catalog: Path | None) -> None:
    """Raise if what is there is not to be replaced; a file that is new to its folder is fine."""
    if catalog is not None and _is_side_file(path, folder, catalog):
        raise _is_the_catalog(path)
    try:
        there = os.stat(path.name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not stat.S_ISREG(there.st_mode):
        raise _is_no_file(path, there)
    _refuse_catalog(path, there, catalog)


def _refuse_catalog(path: Path, there: os.stat_result, catalog: Path | None) -> None:
    for name in _COMPANIONS if catalog is not None else ():
        with suppress(FileNotFoundError):
            if os.path.samestat(there, os.stat(f"{catalog}{name}")):  # noqa: PTH116 - a suffix
                raise _is_the_catalog(path)


def _is_side_file(path: Path, folder: int, catalog: Path) -> bool:
    """Whether it has the name of a file that SQLite keeps, or may yet make, for the catalog."""
    names = {f"{catalog.name}{name}".casefold() for name in _COMPANIONS}
    same = os.path.samestat(os.fstat(folder), catalog.parent.stat())
    return same and path.name.casefold() in names


def _write_straight(path: Path, write: Callable[[TextIO], None]) -> None:
    """Write a pipe or a device."""
    there = path.lstat()
    if not (stat.S_ISFIFO(there.st_mode) or stat.S_ISCHR(there.st_mode)):
        raise _is_no_file(path, there)
    opened = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC)
    now = os.fstat(opened)
    if not os.path.samestat(there, now):
        os.close(opened)
        raise UsageError(f"{path} has just become another file; look at it, and run again.")
    _write(opened, write)


def _write(opened: int, write: Callable[[TextIO], None], *, whole: bool = False) -> None:
    with os.fdopen(opened, "w", encoding="utf-8", newline="\n") as out:
        write(out)
        out.flush()
        if whole:
            os.fsync(out.fileno())


def _is_the_catalog(path: Path) -> UsageError:
    return UsageError(f"{path} belongs to the catalog itself; name another file with -o.")


def _is_no_file(path: Path, there: os.stat_result) -> UsageError:
    if stat.S_ISLNK(there.st_mode):
        return UsageError(f"{path} is a link; name the file that it leads to, or another, with -o.")
    if stat.S_ISDIR(there.st_mode):
        return UsageError(f"{path} is a folder; name a file in it with -o.")
    return UsageError(f"{path} is no file, pipe or device to write to; name a file with -o.")
