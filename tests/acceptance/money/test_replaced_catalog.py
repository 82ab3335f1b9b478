"""A catalog that is taken away while a run buys: noticed before anything more is sent."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from catalogs import SqliteShelf
from money_world import open_world

from catalog.database import connect
from catalog.errors import CatalogReplaced
from catalog.schema import upgrade

pytestmark = pytest.mark.anyio

FILMS = 16
#: What is out ends only as the clock is put ahead.
SLOW = {
    "latency_scale": 1.0,
    "latency_mean_seconds": 40.0,
    "latency_sigma": 0.0,
    "settings": {"wait_minutes": 60},
}


async def accepted(world):
    return (await world.sandbox.audit())["accepted"]


async def flow(world):
    while True:
        world.clock.advance(timedelta(seconds=20))
        await asyncio.sleep(0.05)


async def bought_after(world, damage):
    """Run, do this to the catalog once some were accepted; gives how many came later."""
    running = asyncio.create_task(world.run(concurrency=2, check=False))
    async with asyncio.timeout(120):
        while await accepted(world) < 4:
            world.clock.advance(timedelta(seconds=20))
            await asyncio.sleep(0.05)
    damage()
    before = await accepted(world)
    flowing = asyncio.create_task(flow(world))
    with pytest.raises(CatalogReplaced, match="put back the one that was there"):
        await asyncio.wait_for(running, 60)
    flowing.cancel()
    return await accepted(world) - before


@pytest.fixture
def path(tmp_path):
    made = Path(SqliteShelf(tmp_path).made().removeprefix("sqlite:///"))
    shutil.copyfile(made, tmp_path / "backup.db")
    return made


def remove(path):
    path.unlink()


def remove_all(path):
    for one in path.parent.glob(f"{path.name}*"):
        one.unlink()


def move_away(path):
    path.rename(path.with_name("elsewhere.db"))


def rename_backup_over(path):
    path.with_name("backup.db").rename(path)


def rename_copy_over(path):
    """The same rows, in another file."""
    with closing(sqlite3.connect(path)) as catalog:
        catalog.execute(f"VACUUM INTO '{path.with_name('copy.db')}'")
    path.with_name("copy.db").rename(path)


def link_to_another(path):
    path.unlink()
    path.symlink_to(path.with_name("backup.db"))


def remove_log(path):
    Path(f"{path}-wal").unlink()


def remove_index(path):
    Path(f"{path}-shm").unlink()


@pytest.mark.parametrize(
    "damage",
    [
        remove,
        remove_all,
        move_away,
        rename_backup_over,
        rename_copy_over,
        link_to_another,
        remove_log,
        remove_index,
    ],
)
async def test_nothing_is_bought_once_the_catalogs_file_is_another(tmp_path, path, damage):
    async with open_world(tmp_path / "films", f"sqlite:///{path}", films=FILMS, **SLOW) as here:
        assert await bought_after(here, lambda: damage(path)) == 0


def empty(session):
    for table in ("ledger_entries", "predictions", "budgets", "runs"):
        session.execute(sa.text(f"DELETE FROM {table}"))


def go_back(session):
    """As a backup from a moment ago: what was sent is only held."""
    session.execute(
        sa.text(
            "UPDATE predictions SET status = 'held', provider_id = NULL, submitted_at = NULL "
            "WHERE status <> 'released'"
        )
    )


@pytest.mark.parametrize("damage", [empty, go_back])
async def test_nothing_is_bought_once_the_catalog_holds_something_else(world, damage):
    here = await world(films=FILMS, **SLOW)

    def write():
        with closing(connect(here.catalog_url)) as catalog, catalog.writing.begin() as connection:
            if catalog.dialect == "postgresql":
                connection.execute(sa.text("SET session_replication_role = replica"))
            else:
                connection.execute(sa.text("PRAGMA defer_foreign_keys = ON"))
            damage(connection)
            if catalog.dialect == "sqlite":
                connection.connection.dbapi_connection.commit()

    assert await bought_after(here, write) == 0


def recreate(url):
    """Drop a PostgreSQL database and make it anew, as an empty catalog."""
    parsed = sa.make_url(url)
    server = sa.create_engine(
        parsed.set(database="postgres", drivername="postgresql+psycopg"),
        isolation_level="AUTOCOMMIT",
    )
    with server.connect() as connection:
        connection.execute(sa.text(f'DROP DATABASE "{parsed.database}" WITH (FORCE)'))
        connection.execute(sa.text(f'CREATE DATABASE "{parsed.database}"'))
    server.dispose()
    with closing(connect(url)) as catalog:
        upgrade(catalog)


def drop_schema(url):
    with closing(connect(url)) as catalog, catalog.writing.begin() as connection:
        connection.execute(sa.text("DROP SCHEMA public CASCADE"))
        connection.execute(sa.text("CREATE SCHEMA public"))


@pytest.mark.parametrize("damage", [recreate, drop_schema])
async def test_nothing_is_bought_once_the_database_is_another(tmp_path, postgresql_shelf, damage):
    url = postgresql_shelf.made()
    async with open_world(tmp_path / "films", url, films=FILMS, **SLOW) as here:
        assert await bought_after(here, lambda: damage(url)) == 0
    postgresql_shelf.drop(url)


async def test_the_command_line_says_it_in_one_sentence(tmp_path, path):
    async with open_world(tmp_path / "films", f"sqlite:///{path}", films=FILMS, **SLOW) as here:
        running = asyncio.create_task(
            here.reelcat(
                "run",
                str(here.folder),
                "--budget",
                "1",
                "--yes",
                "--concurrency",
                "2",
                "--tier",
                "ultra",
            )
        )
        async with asyncio.timeout(120):
            while await accepted(here) < 3:
                here.clock.advance(timedelta(seconds=20))
                await asyncio.sleep(0.05)
        rename_backup_over(path)
        before = await accepted(here)
        flowing = asyncio.create_task(flow(here))
        ended = await running
        flowing.cancel()
        assert ended.code == 2
        (line,) = ended.err.splitlines()
        assert "was removed or replaced while it was in use" in line
        assert await accepted(here) == before
