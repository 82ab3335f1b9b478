"""The catalog's database: opening, reading and writing it, on SQLite and on PostgreSQL.

A read is a snapshot. Writers work one after the other: a write takes the catalog's one write lock
before its first statement, so it decides on what is true, never gives up half-way, and behaves the
same on both databases. What goes wrong in the database becomes a sentence. Whether a catalog takes
writes at all is tried without changing anything.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import (
    Connection,
    Dialect,
    Engine,
    create_engine,
    delete,
    event,
    false,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from catalog.database_errors import first_line, plainly
from catalog.database_file import DatabaseFile
from catalog.database_url import PostgresqlAddress, SqliteAddress, parse_address
from catalog.errors import CatalogError, CatalogReadOnly, CatalogReplaced
from catalog.tables import metadata

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

#: Of PostgreSQL: what counts the ids of new rows is granted by itself.
_SEQUENCES_NOT_OURS = """
    SELECT c.relname FROM pg_class AS c
    JOIN pg_depend AS d ON d.objid = c.oid AND d.deptype = 'a'
    WHERE c.relkind = 'S' AND pg_table_is_visible(c.oid)
      AND CASE WHEN c.relkind = 'S' THEN NOT has_sequence_privilege(c.oid, 'USAGE') END
    ORDER BY c.relname LIMIT 1
"""

_MAY_CREATE = """
    SELECT has_schema_privilege(current_schema(), 'CREATE')
       AND current_setting('default_transaction_read_only') = 'off' AND NOT pg_is_in_recovery()
"""


def require_writable(catalog: Catalog) -> None:
    """See whether rows of every table could be added, changed and removed.

    Raises:
        CatalogError: with what to do, if they could not.
    """
    catalog.write(_try_all)


def require_makeable(catalog: Catalog) -> None:
    """See whether a catalog could be made where none is yet.

    Raises:
        CatalogReadOnly: with what to do, if it could not.
    """
    if catalog.dialect == "sqlite":
        folder = Path(catalog.engine.url.database or "").absolute().parent
        makeable = os.access(folder, os.W_OK | os.X_OK)
        reason = f"The folder {folder} cannot be written to; let this user write to it"
    else:
        with catalog.read() as session:
            makeable = bool(session.scalar(text(_MAY_CREATE)))
        reason = f"This user may make no tables in {catalog.shown_url}; grant CREATE on its schema"
    if not makeable:
        raise CatalogReadOnly(f"{reason}, or name another place in REELCAT_DATABASE_URL.")


def _try_all(session: Session) -> None:
    """Ask for changes of no rows; a database refuses those, too, to whom it refuses any."""
    there = set(inspect(session.connection()).get_table_names())
    for table in metadata.sorted_tables:
        if table.name not in there:
            continue
        columns = [column.name for column in table.columns]
        nothing = select(*table.columns).where(false())
        session.execute(insert(table).from_select(columns, nothing, include_defaults=False))
        first = next(iter(table.columns))
        session.execute(update(table).where(false()).values({first.name: first}))
        session.execute(delete(table).where(false()))
    if session.get_bind().dialect.name == "postgresql":
        refused = session.scalar(text(_SEQUENCES_NOT_OURS))
        if refused is not None:
            session.execute(text("SELECT nextval(CAST(:name AS regclass))"), {"name": refused})


T = TypeVar("T")

#: How long a process waits for another one's transaction before it gives up.
BUSY_SECONDS = 60

#: PostgreSQL's write lock, by a number that no other program on the same database is likely to use.
#: It ends with the transaction, and so does a transaction whose process was put to sleep.
_POSTGRESQL_WRITE_LOCK = f"""
    SET LOCAL lock_timeout = '{BUSY_SECONDS}s';
    SET LOCAL idle_in_transaction_session_timeout = '{BUSY_SECONDS}s';
    SELECT pg_advisory_xact_lock(7316528001)
"""

#: A pool such as PgBouncer gives each transaction another session, which does not know what
#: another one prepared. Texts are UTF-8, whatever PGCLIENTENCODING or the database says.
_PSYCOPG = {"prepare_threshold": None, "client_encoding": "utf8"}


class Catalog:
    """An open catalog database. Safe to share between threads."""

    def __init__(self, engine: Engine, *, shown_url: str, file: DatabaseFile | None = None) -> None:
        self.engine = engine
        self._file = file
        #: Its transactions hold the write lock from their beginning.
        self.writing = engine.execution_options(reelcat_write=True)
        #: The database's URL without its password.
        self.shown_url = shown_url
        self._reading = engine
        if engine.dialect.name == "postgresql":  # SQLite's transactions are snapshots anyway
            self._reading = engine.execution_options(isolation_level="REPEATABLE READ")

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.engine.dialect.name

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Open one snapshot to read from, without what a session takes to import."""
        with plainly(self.shown_url), self._reading.connect() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open one snapshot to read from; nothing written through it is kept."""
        from sqlalchemy.orm import Session  # noqa: PLC0415 - a command that only reads needs none

        with plainly(self.shown_url), Session(self._reading, expire_on_commit=False) as session:
            yield session

    def write(self, change: Callable[[Session], T]) -> T:
        """Apply `change` in one transaction and give back what it gave; all of it or nothing.

        Raises:
            CatalogReplaced: if it is no longer the catalog that was opened, or lacks what it had.
        """
        from sqlalchemy.orm import Session  # noqa: PLC0415 - as above

        with (
            plainly(self.shown_url),
            Session(self.writing, expire_on_commit=False) as session,
            session.begin(),
        ):
            given = change(session)
        if self._file is not None:
            self._file.check()  # what was written to a file that is gone counts for nothing
        return given

    def close(self) -> None:
        """Give every connection back."""
        self.engine.dispose()


def connect(url: str) -> Catalog:
    """Prepare a catalog at `url`, without looking at what is there.

    Raises:
        CatalogError: if the URL makes no sense or its folder does not exist.
    """
    address = parse_address(url)
    if isinstance(address, SqliteAddress):
        return _sqlite_catalog(address)
    engine = _engine(address)
    event.listen(engine, "connect", _prepare_postgresql)
    event.listen(engine, "begin", _begin_postgresql)
    event.listen(engine, "connect", _same_database(address.shown))
    return Catalog(engine, shown_url=address.shown)


def _sqlite_catalog(address: SqliteAddress) -> Catalog:
    _require_file(address)
    engine = create_engine(
        URL.create("sqlite", database=address.path), connect_args={"timeout": BUSY_SECONDS}
    )
    file = DatabaseFile(address.path, address.shown)
    event.listen(engine, "do_connect", lambda *_: file.check())
    event.listen(engine, "do_connect", _make_private)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "connect", lambda *_: file.opened())
    event.listen(engine, "begin", partial(_begin_sqlite, file=file))
    return Catalog(engine, shown_url=address.shown, file=file)


def _same_database(shown_url: str) -> Callable[[Any, ConnectionPoolEntry], None]:
    """Look at each new connection whether it leads to the database that the first one led to."""
    met: set[int] = set()

    def check(dbapi_connection: Any, _: ConnectionPoolEntry) -> None:
        cursor = dbapi_connection.cursor()
        cursor.execute("SELECT oid::bigint FROM pg_database WHERE datname = current_database()")
        met.add(cursor.fetchone()[0])
        cursor.close()
        dbapi_connection.rollback()
        if len(met) > 1:
            raise CatalogReplaced(shown_url)

    return check


def shown_url(url: str) -> str:
    """Give a catalog's address without its password, wherever in it that stands.

    Raises:
        CatalogError: if it is no address of a catalog.
    """
    return parse_address(url).shown


def _engine(address: PostgresqlAddress) -> Engine:
    url = URL.create(
        "postgresql+psycopg",
        username=address.user,
        password=address.password,
        host=address.host,
        port=address.port,
        database=address.database,
        query=_options(address),
    )
    try:
        engine = create_engine(url, pool_pre_ping=True, connect_args=_PSYCOPG)
        engine.dialect.create_connect_args(url)
    except ArgumentError:  # hosts and ports that do not fit together
        raise CatalogError(
            f"The options of {address.shown} do not fit together; name each host once, as "
            "host=name:port."
        ) from None
    except ModuleNotFoundError as error:
        raise CatalogError(
            f"A catalog in PostgreSQL needs the module {error.name}, which is not installed; "
            "install reelcat with its `postgres` extra."
        ) from error
    event.listen(engine, "do_connect", partial(_connect_postgresql, address.shown))
    return engine


def _options(address: PostgresqlAddress) -> dict[str, str | tuple[str, ...]]:
    options: dict[str, list[str]] = {}
    for name, value in address.options:
        options.setdefault(name, []).append(value)
    return {name: tuple(some) if len(some) > 1 else some[0] for name, some in options.items()}


def _connect_postgresql(
    shown_url: str, dialect: Dialect, _: Any, arguments: list[Any], options: dict[str, Any]
) -> Any:
    """Connect; an option that makes no sense is a mistake in the address."""
    try:
        return dialect.connect(*arguments, **options)
    except dialect.loaded_dbapi.ProgrammingError as error:
        raise CatalogError(
            f"The catalog {shown_url} cannot be used: {first_line(error)}. Correct its address."
        ) from None


def _require_file(address: SqliteAddress) -> None:
    path = Path(address.path).absolute()
    try:
        missing, is_folder = not path.parent.is_dir(), path.is_dir()
        is_device = path.exists() and not is_folder and not path.is_file()
    except (OSError, ValueError):  # SQLite says it better
        return
    if missing:
        raise CatalogError(
            f"The folder {path.parent} for the catalog does not exist; make it first."
        )
    if is_folder:
        raise CatalogError(f"{address.shown} is a folder; name a file in it, such as reelcat.db.")
    if is_device:
        raise CatalogError(f"{address.shown} is no ordinary file; name one, such as reelcat.db.")


def _make_private(_: Any, __: Any, arguments: list[Any], ___: Any) -> None:
    """Make a new file its owner's alone; SQLite gives its log files the same permissions."""
    path = str(arguments[0])
    if not path.startswith("file:"):
        with suppress(OSError):  # it is there, or SQLite says what is wrong
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _prepare_sqlite(dbapi_connection: Any, _: ConnectionPoolEntry) -> None:
    dbapi_connection.isolation_level = None  # transactions are begun below, not by the driver
    cursor = dbapi_connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = FULL")  # an intent survives a power cut
    cursor.close()


def _prepare_postgresql(dbapi_connection: Any, _: ConnectionPoolEntry) -> None:
    """Have times come as psycopg reads them, whatever PGDATESTYLE or the database says."""
    if not str(dbapi_connection.info.parameter_status("DateStyle")).startswith("ISO"):
        with dbapi_connection.cursor() as cursor:
            cursor.execute("SET datestyle TO ISO")
        dbapi_connection.commit()


def _begin_sqlite(connection: Connection, *, file: DatabaseFile | None) -> None:
    if not _is_to_write(connection):
        connection.exec_driver_sql("BEGIN")
        return
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    if file is not None:
        file.check()
        file.check_side_files(connection.info)


def _begin_postgresql(connection: Connection) -> None:
    if _is_to_write(connection):
        connection.exec_driver_sql(_POSTGRESQL_WRITE_LOCK)


def _is_to_write(connection: Connection) -> bool:
    return bool(connection.get_execution_options().get("reelcat_write", False))
