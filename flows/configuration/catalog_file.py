"""Whether a catalog that is a file is one that nobody but the user can have changed.

A catalog says what was bought, so who can write it can make a run buy again. One that lies in the
current folder is asked who can change it, like every other file there
(`flows.configuration.ownership`), and so is one that a file of the folder names. A catalog
elsewhere that the user names is the user's word.

Light: looking at a catalog asks this.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from catalog.database_url import SqliteAddress, parse_address
from catalog.errors import CatalogError
from flows.configuration.ownership import why_changeable

#: What SQLite keeps beside a database, and believes.
_BESIDE = ("-wal", "-shm", "-journal")


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
    """Give the file, what lies beside it, and the folders between here and it."""
    yield path
    for one in {path, Path(os.path.realpath(path))}:
        for ending in _BESIDE:
            beside = one.with_name(one.name + ending)
            with suppress(OSError):
                beside.lstat()
                yield beside
    here, folder = Path(os.path.realpath(".")), Path(os.path.normpath(path.absolute())).parent
    while folder != here and folder.is_relative_to(here):
        yield folder
        folder = folder.parent
