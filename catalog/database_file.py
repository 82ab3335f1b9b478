"""Whether the files of a SQLite catalog are still the ones that were opened.

A process goes on writing to a file that was removed or replaced, and nobody else sees what it
writes: the next run would buy everything again. Each write therefore looks at the path first.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, TypeAlias

from catalog.errors import CatalogReplaced

#: Device and number of a file, which it keeps for its life; None if there is none.
_Identity: TypeAlias = tuple[int, int] | None

#: SQLite keeps these while a connection is open; its locks lie in the second.
_SIDE_FILES = ("-wal", "-shm")


class DatabaseFile:
    """The file of one catalog, as one process knows it."""

    def __init__(self, path: str, shown_url: str) -> None:
        self._path = str(Path(path).absolute())
        self._shown_url = shown_url
        self._opened: _Identity = None

    def opened(self) -> None:
        """Remember which file it is; called once the first connection has opened it."""
        if self._opened is None:
            self._opened = _identity(self._path)

    def check(self) -> None:
        """Look whether the path still leads to the file that was opened.

        Raises:
            CatalogReplaced: if it leads to another one, or to none.
        """
        if self._opened is not None and _identity(self._path) != self._opened:
            raise CatalogReplaced(self._shown_url)

    def check_side_files(self, known: MutableMapping[Any, Any]) -> None:
        """Do the same for the log and its index; `known` is what one connection remembers.

        Raises:
            CatalogReplaced: if one of them is not the one that this connection has open.
        """
        for ending in _SIDE_FILES:
            # SQLite keeps them next to the file itself, not next to a link to it.
            found = _identity(os.path.realpath(self._path) + ending)
            if known.setdefault(ending, found) is None:
                known[ending] = found
            elif known[ending] != found:
                raise CatalogReplaced(self._shown_url)


def _identity(path: str) -> _Identity:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
