"""What a database says went wrong, as a sentence that says what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, IntegrityError, NoResultFound, OperationalError

from catalog.errors import (
    CatalogBusy,
    CatalogError,
    CatalogFull,
    CatalogNotOurs,
    CatalogReadOnly,
    CatalogReplaced,
)


@contextmanager
def plainly(shown_url: str) -> Iterator[None]:
    """Turn what a database driver says into a sentence that says what to do."""
    try:
        yield
    except NoResultFound as error:  # nothing is ever deleted, so a row that lacks was taken away
        raise CatalogReplaced(shown_url) from error
    except (DBAPIError, sqlite3.Error) as error:
        said = error.orig if isinstance(error, DBAPIError) else error
        if _lacks_what_it_had(error, said):
            raise CatalogReplaced(shown_url) from error
        told = _sentence(str(said), shown_url)
        if told is None and isinstance(error, OperationalError | sqlite3.OperationalError):
            told = CatalogError(
                f"The catalog {shown_url} cannot be used: {first_line(said)}. "
                "`reelcat doctor` says more."
            )
        if told is None:
            raise
        raise told from error


def _lacks_what_it_had(error: Exception, said: object) -> bool:
    """Tell whether tables or rows are gone that were there; nothing of ours takes them away."""
    words = str(said).lower()
    if isinstance(error, IntegrityError):
        return "foreign key" in words
    return "no such table" in words or getattr(said, "sqlstate", None) in _NO_SUCH_TABLE


def first_line(error: object) -> str:
    """Give what a driver says first; what follows is for its authors."""
    return str(error).strip().split("\n", maxsplit=1)[0].rstrip(".")


#: PostgreSQL's words for a table and for a schema that are not there.
_NO_SUCH_TABLE = frozenset({"42P01", "3F000"})

_FULL = "The disk that holds {url} is full; free some room, run again."
_BUSY = "Another process has been writing to {url} for over a minute; try again."

_SENTENCES: tuple[tuple[str, type[CatalogError], str], ...] = (
    ("disk is full", CatalogFull, _FULL),
    ("no space left on device", CatalogFull, _FULL),
    (
        "disk i/o error",
        CatalogFull,
        "The disk that holds {url} cannot be written; see whether it is full, run again.",
    ),
    (
        "readonly database",
        CatalogReadOnly,
        "The catalog {url} is read-only; make its file and its disk writable.",
    ),
    (
        "not a database",
        CatalogNotOurs,
        "{url} is not a reelcat catalog; name another file in REELCAT_DATABASE_URL.",
    ),
    (
        "unable to open database file",
        CatalogError,
        "The catalog {url} cannot be opened; see its permissions and whether its disk is writable.",
    ),
    (
        "malformed",
        CatalogError,
        "The catalog {url} is damaged; put a backup of it in its place.",
    ),
    (
        "read-only transaction",
        CatalogReadOnly,
        "The catalog {url} is read-only; name a server that takes writes in REELCAT_DATABASE_URL.",
    ),
    (
        "permission denied for",
        CatalogError,
        "This user may not use the catalog {url}; let the database's owner grant it the right to.",
    ),
    (
        "idle-in-transaction",
        CatalogError,
        "This process stood still for over a minute while it was writing to {url}; run again.",
    ),
    ("database is locked", CatalogBusy, _BUSY),
    ("lock timeout", CatalogBusy, _BUSY),
)


def _sentence(message: str, shown_url: str) -> CatalogError | None:
    lowered = message.lower()
    for sign, kind, words in _SENTENCES:
        if sign in lowered:
            return kind(words.format(url=shown_url))
    return None
