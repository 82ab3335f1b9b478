"""Copying a whole catalog into an empty one, on whichever databases the two are.

Both write locks are held until it is done: what is copied is one moment of the source, and the
destination gets all of it or nothing. Rows are streamed a page at a time, and read again from the
destination before it is kept: counts, contents and money have to be the same on both sides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import JSON, Insert, Row, Table, bindparam, func, insert, select
from sqlalchemy.exc import DBAPIError, OperationalError, StatementError
from sqlalchemy.orm import Session

from catalog import HEAD, ledger, runs, schema
from catalog.database import Catalog
from catalog.errors import CatalogError
from catalog.lifecycle import LIVE
from catalog.models import Prediction
from catalog.runs import Liveness
from catalog.tables import metadata
from catalog.totals import Totals
from catalog.values import PredictionStatus

#: Rows in memory at a time.
PAGE = 1000

_DIGEST_BITS = 256

#: Told how many rows of all have been copied, and of which table the last ones were.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Copied:
    """One table that is the same on both sides."""

    table: str
    rows: int
    #: Of all its rows, in whatever order a database gives them.
    digest: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Copy:
    """A catalog that was copied whole."""

    source: str
    destination: str
    version: str
    tables: tuple[Copied, ...]
    totals: Totals
    #: Paid for and not ended: the next run on the copy collects them.
    unfinished: int

    @property
    def rows(self) -> int:
        """How many there are in all tables."""
        return sum(one.rows for one in self.tables)


def copy(
    source: Catalog,
    destination: Catalog,
    *,
    living: Callable[[Sequence[Liveness]], Sequence[Liveness]],
    progress: Progress,
) -> Copy:
    """Copy every row of `source` into `destination`, in which there is nothing yet.

    `living` says which of the source's unfinished runs still live: what those buy from now on would
    be missing in the copy. Runs that died are copied as they are; the next run takes over.

    Raises:
        CatalogError: the source is not of this version or in use, the destination is of another
            version or not empty, or it cannot keep what the source holds. Nothing was copied.
    """
    _check_version(source)
    if schema.current(destination) is not None:
        _check_version(destination)
        with destination.read() as session:
            _check_empty(session, destination)

    def from_source(reading: Session) -> Copy:
        _check_nobody_is_at_work(source, living(runs.unfinished(reading)))
        schema.upgrade(destination)
        return destination.write(
            lambda writing: _copied(source, destination, reading, writing, progress)
        )

    return source.write(from_source)


def _check_version(catalog: Catalog) -> None:
    found = schema.current(catalog)
    if found != HEAD:
        raise CatalogError(
            f"The catalog {catalog.shown_url} has version {found or 'none'}, copying needs "
            f"{HEAD}; back it up, run `reelcat db upgrade` on it, then copy."
        )


def _check_nobody_is_at_work(source: Catalog, alive: Sequence[Liveness]) -> None:
    if alive:
        one = alive[0]
        more = f" (and {len(alive) - 1} more)" if len(alive) > 1 else ""
        raise CatalogError(
            f"Run {one.run_id} is at work on {source.shown_url}, process {one.process.pid} of "
            f"{one.process.host.partition('/')[0]}{more}; stop it or wait for its end, then copy."
        )


def _check_empty(session: Session, destination: Catalog) -> None:
    if any(_count(session, table) for table in metadata.sorted_tables):
        raise CatalogError(
            f"The catalog {destination.shown_url} is not empty; name one that does not exist yet, "
            "or that nothing was ever written to."
        )


def _copied(
    source: Catalog,
    destination: Catalog,
    reading: Session,
    writing: Session,
    progress: Progress,
) -> Copy:
    _check_empty(writing, destination)
    tables = metadata.sorted_tables
    expected = {table.name: _count(reading, table) for table in tables}
    total, done = sum(expected.values()), 0
    copied: list[Copied] = []
    for table in tables:
        digest = 0
        for page in _pages(reading, table):
            digest = _add(digest, page)
            _insert(writing, table, page, destination)
            done += len(page)
            progress(table.name, done, total)
        _number_on(writing, table)
        one = Copied(table=table.name, rows=expected[table.name], digest=_shown(digest))
        _compare(one, _seen(writing, table), destination)
        copied.append(one)
    totals = ledger.totals(reading)
    _compare_money(reading, writing, destination)
    return Copy(
        source=source.shown_url,
        destination=destination.shown_url,
        version=HEAD,
        tables=tuple(copied),
        totals=totals,
        unfinished=_unfinished(writing),
    )


def _count(session: Session, table: Table) -> int:
    return int(session.scalar(select(func.count()).select_from(table)) or 0)


def _pages(session: Session, table: Table) -> Iterator[Sequence[Row[tuple[object, ...]]]]:
    """Stream a table; the driver holds no more than a page of it."""
    result = session.connection().execute(
        select(table), execution_options={"stream_results": True, "max_row_buffer": PAGE}
    )
    yield from result.partitions(PAGE)


def _insert(
    session: Session,
    table: Table,
    page: Sequence[Row[tuple[object, ...]]],
    destination: Catalog,
) -> None:
    try:
        session.connection().execute(_insert_into(table), [row._asdict() for row in page])
    except OperationalError:
        raise  # the disk, the lock, the server: said as everywhere else
    except (DBAPIError, StatementError) as error:
        said = str(error.orig or error).strip().split("\n", maxsplit=1)[0].rstrip(".")
        raise CatalogError(
            f"{destination.shown_url} cannot keep a row of {table.name} ({said}); nothing was "
            "copied. Please report it."
        ) from error


def _insert_into(table: Table) -> Insert:
    """Insert as was read: what was NULL in a column of JSON was not the JSON text `null`."""
    plain = {
        column.name: bindparam(column.name, type_=JSON(none_as_null=True))
        for column in table.columns
        if isinstance(column.type, JSON)
    }
    return insert(table).values(plain) if plain else insert(table)


def _number_on(session: Session, table: Table) -> None:
    """Let PostgreSQL go on numbering behind the rows that came with their numbers."""
    column = table.autoincrement_column
    if session.get_bind().dialect.name != "postgresql" or column is None:
        return
    highest = session.scalar(select(func.max(column)))
    if highest is not None:
        sequence = func.pg_get_serial_sequence(table.name, column.name)
        session.execute(select(func.setval(sequence, highest)))


def _seen(session: Session, table: Table) -> Copied:
    """Read back what was written."""
    digest, rows = 0, 0
    for page in _pages(session, table):
        digest = _add(digest, page)
        rows += len(page)
    return Copied(table=table.name, rows=rows, digest=_shown(digest))


def _add(digest: int, page: Sequence[Row[tuple[object, ...]]]) -> int:
    """Add rows to a digest that is the same in whichever order they come."""
    for row in page:
        one = hashlib.sha256(repr(tuple(row)).encode("utf-8", "surrogatepass")).digest()
        digest += int.from_bytes(one)
    return digest % (1 << _DIGEST_BITS)


def _shown(digest: int) -> str:
    return f"{digest:0{_DIGEST_BITS // 4}x}"


def _compare(expected: Copied, seen: Copied, destination: Catalog) -> None:
    if seen != expected:
        raise CatalogError(
            f"{destination.shown_url} gives back {seen.rows} rows of {expected.table} that are not "
            f"the {expected.rows} that were copied; nothing was kept. Please report it."
        )


def _compare_money(reading: Session, writing: Session, destination: Catalog) -> None:
    sides = [(ledger.totals(one), ledger.disagreements(one)) for one in (reading, writing)]
    if sides[0] != sides[1]:
        raise CatalogError(
            f"The ledger of {destination.shown_url} has other sums than the one that was copied; "
            "nothing was kept. Please report it."
        )


def _unfinished(session: Session) -> int:
    waiting = select(func.count()).select_from(Prediction)
    return int(
        session.scalar(waiting.where(Prediction.status.in_(LIVE - {PredictionStatus.COMPLETED})))
        or 0
    )
