"""Snapshots: the catalog as it is at one moment, read with SQL through the database's own driver.

What people look at (`status`, `search`) is read so. Importing SQLAlchemy takes several times as
long as answering them; a SQLite catalog in good order is therefore opened without it. SQL here is
what both databases understand, unless a module says otherwise.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from catalog import HEAD
from catalog.database_url import SqliteAddress, parse_address

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

#: A row by its columns' names.
Row: TypeAlias = dict[str, Any]

_NAME = re.compile(r":([a-z_]\w*)")
_OURS = """
    SELECT version_num FROM alembic_version
    WHERE (SELECT count(*) FROM sqlite_master
           WHERE type = 'table' AND name IN ('videos', 'ledger_entries')) = 2
"""


class Snapshot:
    """One moment of the catalog. Values that databases spell differently are read by its methods.

    For one thread, as long as what it was opened with.
    """

    def __init__(self, connection: Any, *, dialect: str, shown_url: str) -> None:
        """Read through a connection of the database's driver, in the transaction that it is in."""
        self._connection = connection
        #: `sqlite` or `postgresql`.
        self.dialect = dialect
        #: The catalog's address, without its password.
        self.shown_url = shown_url

    @classmethod
    def of(cls, session: Session, *, shown_url: str = "") -> Self:
        """See what a session sees."""
        session.flush()
        connection = session.connection()
        return cls(
            connection.connection.driver_connection,
            dialect=connection.dialect.name,
            shown_url=shown_url,
        )

    def rows(self, sql: str, **values: object) -> list[Row]:
        """Give the rows of a query; `:name` stands for a value, or for a list's values."""
        names, rows = self._asked(sql, values)
        return [dict(zip(names, row, strict=True)) for row in rows]

    def tuples(self, sql: str, **values: object) -> list[tuple[Any, ...]]:
        """Give the rows of a query as they are, where there are many; as `rows` otherwise."""
        return self._asked(sql, values)[1]

    def _asked(
        self, sql: str, values: dict[str, object]
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        spread = _spread(values)
        for name, value in values.items():
            if isinstance(value, list):
                inside = ", ".join(f":{name}_{place}" for place in range(len(value))) or "NULL"
                sql = re.sub(rf":{name}\b", inside, sql)
        if self.dialect == "postgresql":
            sql = _NAME.sub(r"%(\1)s", sql)
        cursor = self._connection.cursor()
        try:
            cursor.execute(sql, spread)
            return [column[0] for column in cursor.description], cursor.fetchall()
        finally:
            cursor.close()

    def row(self, sql: str, **values: object) -> Row:
        """Give the only row of a query."""
        (row,) = self.rows(sql, **values)
        return row

    def moment(self, at: datetime) -> datetime | str:
        """Write a time as the catalog keeps it, to be compared with."""
        utc = at.astimezone(UTC)
        return f"{utc:%Y-%m-%d %H:%M:%S.%f}" if self.dialect == "sqlite" else utc


def _spread(values: dict[str, object]) -> dict[str, object]:
    spread: dict[str, object] = {}
    for name, value in values.items():
        if isinstance(value, list):
            spread |= {f"{name}_{place}": one for place, one in enumerate(value)}
        else:
            spread[name] = value
    return spread


def moment(value: str | datetime | None) -> datetime | None:
    """Read a time as the catalog keeps it: SQLite keeps a text without a zone.

    >>> moment("2026-11-23 10:00:00.000000").isoformat()
    '2026-11-23T10:00:00+00:00'
    """
    if value is None:
        return None
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


@contextmanager
def open_snapshot(url: str) -> Iterator[Snapshot]:
    """Open a snapshot of the catalog at `url`; nothing is made or changed.

    Raises:
        CatalogError: with a sentence that says what to do, if there is none or it is not usable.
    """
    address = parse_address(url)
    connection = _connect_quickly(address) if isinstance(address, SqliteAddress) else None
    if connection is None:
        with _through_sqlalchemy(url) as snapshot:
            yield snapshot
        return
    with closing(connection):
        try:
            yield Snapshot(connection, dialect="sqlite", shown_url=address.shown)
        except sqlite3.Error as error:
            from catalog.database_errors import plainly  # noqa: PLC0415 - brings SQLAlchemy

            with plainly(address.shown):
                raise error from None


def _connect_quickly(address: SqliteAddress) -> sqlite3.Connection | None:
    """Begin to read a SQLite catalog that is in good order; None if there is anything to say."""
    try:
        if not Path(address.path).is_file():
            return None
        connection = sqlite3.connect(address.path, timeout=60, isolation_level=None)
    except (OSError, ValueError, sqlite3.Error):
        return None  # it may not be read; whoever asks again gets the sentence
    try:
        connection.execute("BEGIN")
        if connection.execute(_OURS).fetchone() == (HEAD,):
            return connection
    except sqlite3.Error:
        pass  # as above
    connection.close()
    return None


@contextmanager
def _through_sqlalchemy(url: str) -> Iterator[Snapshot]:
    from catalog.schema import open_existing  # noqa: PLC0415 - brings SQLAlchemy

    with closing(open_existing(url)) as catalog, catalog.read() as session:
        yield Snapshot.of(session, shown_url=catalog.shown_url)
