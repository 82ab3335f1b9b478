"""Whose files are trusted: those that nobody but the user and root can change.

The user is the effective one. Root is trusted with everything, and trusts nobody else: a file of an
ordinary user is a stranger's to root. A folder counts because whoever can write it can replace what
lies in it. That holds for sticky folders such as /tmp, too: others can make a file there before the
user does, and a rule that depends on who was first is one that nobody can check by looking.

A catalog says what was bought, so who can write it can make a run buy again. One that lies in the
current folder is judged like every other file there, and so is one that a file of the folder names.
A catalog elsewhere that the user names is the user's word.

Light: looking at a catalog asks this.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from catalog.database_url import SqliteAddress, parse_address
from catalog.errors import CatalogError

#: Where Linux keeps a list of further users. With one, the group's bits are those of the list.
_ACL = "system.posix_acl_access"


@dataclass(frozen=True, kw_only=True, slots=True)
class Owned:
    """Who can change a file or a folder."""

    owner: int
    group: int
    mode: int
    #: Further users are named by an access list.
    listed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    """The user, and the groups that are the user's or root's alone."""

    uid: int
    private_groups: frozenset[int]


def distrust(found: Owned, user: User) -> str | None:
    """Say why somebody else can change it; None if nobody can.

    >>> me = User(uid=1000, private_groups=frozenset({1000}))
    >>> distrust(Owned(owner=1000, group=1000, mode=0o664), me)
    >>> distrust(Owned(owner=1001, group=1000, mode=0o600), me)
    'belongs to another user'
    >>> distrust(Owned(owner=0, group=50, mode=0o664), me)
    'can be written by its group'
    """
    if found.owner not in {user.uid, 0}:
        return "belongs to another user"
    if found.mode & stat.S_IWOTH:
        return "can be written by anybody"
    if not found.mode & stat.S_IWGRP:
        return None
    if found.listed:
        return "can be written by others, as its access list says"
    return None if found.group in user.private_groups else "can be written by its group"


def why_changeable(path: Path) -> str | None:
    """Say why others can change a file, or what it is reached through; None if nobody can.

    Its folder is looked at; where it is a link, the link, the file that it leads to and that one's
    folder. What is not there can be changed by nobody, except that it can be made in its folder.
    """
    for one, place in _reached_through(path):
        with suppress(FileNotFoundError, NotADirectoryError):
            trouble = _trouble(one.lstat(), one)
            if trouble is not None:
                return f"{place} {trouble}"
    return None


def why_open_file_changeable(descriptor: int) -> str | None:
    """Say why others can change an open file; None if nobody can."""
    return _trouble(os.fstat(descriptor), descriptor)


def _reached_through(path: Path) -> Iterator[tuple[Path, str]]:
    folder = path.parent
    name = "the current folder" if folder == Path() else f"its folder {folder}"
    yield folder, name
    yield path, "it"
    if path.is_symlink():
        target = Path(os.path.realpath(path))
        yield target, f"{target}, to which it leads,"
        yield target.parent, f"{target.parent}, into which it leads,"


def _trouble(found: os.stat_result, place: Path | int) -> str | None:
    mode = found.st_mode
    if stat.S_ISLNK(mode):
        mode = 0  # a link's own mode means nothing
    uid = os.geteuid()
    shared = bool(mode & stat.S_IWGRP)
    private = shared and any(_is_private(found.st_gid, one) for one in {uid, 0})
    return distrust(
        Owned(
            owner=found.st_uid,
            group=found.st_gid,
            mode=mode,
            listed=shared and _has_list(place),
        ),
        User(uid=uid, private_groups=frozenset({found.st_gid} if private else ())),
    )


def _has_list(place: Path | int) -> bool:
    try:
        return _ACL in os.listxattr(place, follow_symlinks=isinstance(place, int))
    except (OSError, AttributeError):  # no such lists here
        return False


def _is_private(group: int, uid: int) -> bool:
    """Tell whether a group is a user's own: of the user's name, and nobody else is in it.

    The name is asked for because a directory of users on a network need not list them all.
    """
    import grp  # noqa: PLC0415 - only where a group matters
    import pwd  # noqa: PLC0415

    try:
        person, members = pwd.getpwuid(uid), grp.getgrgid(group)
    except KeyError:
        return False
    return (
        person.pw_gid == group
        and members.gr_name == person.pw_name
        and set(members.gr_mem) <= {person.pw_name}
        and not any(one.pw_gid == group and one.pw_uid != uid for one in pwd.getpwall())
    )


#: What SQLite keeps next to a database, and believes.
_SIDE_FILES = ("-wal", "-shm", "-journal")


def require_own_catalog(url: str, *, named_here: bool) -> None:
    """Refuse a catalog that somebody else could have changed. Other databases are not looked at.

    `named_here`: no option and no environment names it, but a file of the folder, or nothing.

    Raises:
        CatalogError: naming the file and what is wrong with it, or that this is no address.
    """
    path = path_in(url)
    if path is None or not (named_here or _lies_here(path)):
        return
    for one in _looked_at(path):
        reason = why_changeable(one)
        if reason is not None:
            raise CatalogError(
                f"The catalog {path} is not used: {reason}. Let it and its folder belong to you or "
                "root, and nobody else write them; or name another one in REELCAT_DATABASE_URL."
            )


def path_in(url: str) -> Path | None:
    """Give the file that an address of a catalog names; None if it names none.

    Raises:
        CatalogError: it is no address; whoever opens the catalog reads it in the same way.

    >>> path_in("sqlite:///films/reelcat.db").as_posix()
    'films/reelcat.db'
    >>> path_in("sqlite:///file:%2Ffilms/reelcat.db?mode=rw&uri=true").as_posix()
    '/films/reelcat.db'
    >>> path_in("postgresql://me@db.example/reelcat")
    """
    address = parse_address(url)
    return Path(address.path) if isinstance(address, SqliteAddress) else None


def _lies_here(path: Path) -> bool:
    here = Path(os.path.realpath("."))
    return any(_is_below(one, here) for one in (path.absolute(), Path(os.path.realpath(path))))


def _is_below(path: Path, folder: Path) -> bool:
    return Path(os.path.normpath(path)).is_relative_to(folder)


def _looked_at(path: Path) -> Iterator[Path]:
    """Give the file, what lies next to it, and the folders between here and it."""
    yield path
    for one in {path, Path(os.path.realpath(path))}:
        for ending in _SIDE_FILES:
            side_file = one.with_name(one.name + ending)
            with suppress(OSError):
                side_file.lstat()
                yield side_file
    here, folder = Path(os.path.realpath(".")), Path(os.path.normpath(path.absolute())).parent
    while folder != here and folder.is_relative_to(here):
        yield folder
        folder = folder.parent
