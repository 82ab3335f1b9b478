"""Every step between two versions of a catalog, up and down, with rows in it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from catalog_deployers import deploy
from table_rows import fill, kept, lost, tables_of

from catalog import HEAD, migrations_folder, schema
from catalog.database import Catalog, connect
from catalog.models import Base

ROWS = 3
DEPLOYERS = 3
SPAWN = multiprocessing.get_context("spawn")


def config(connection=None) -> Config:
    made = Config()
    made.set_main_option("script_location", str(migrations_folder()))
    made.attributes["connection"] = connection
    return made


REVISIONS = [
    one.revision for one in reversed([*ScriptDirectory.from_config(config()).walk_revisions()])
]


def migrate(catalog: Catalog, move, *args) -> None:
    with catalog.writing.begin() as connection:
        move(config(connection), *args)


def rows_of(catalog: Catalog):
    with catalog.engine.connect() as connection:
        return kept(connection)


@pytest.fixture(params=REVISIONS)
def old(request, empty_url) -> Iterator[Catalog]:
    """A catalog of each version that there ever was, with rows in every table."""
    with closing(connect(empty_url)) as catalog:
        migrate(catalog, command.upgrade, request.param)
        with catalog.writing.begin() as connection:
            fill(connection, ROWS)
        yield catalog


def test_an_upgrade_from_any_version_keeps_every_row(old):
    before = rows_of(old)
    assert schema.upgrade(old) == HEAD
    after = rows_of(old)
    assert lost(before, after) == []
    assert all(len(after[name][1]) == ROWS for name in before if name in after)
    assert set(after) >= set(Base.metadata.tables)
    migrate(old, command.check)


def test_what_went_down_to_any_version_comes_up_again_with_every_row(old):
    version, before = schema.current(old), rows_of(old)
    schema.upgrade(old)
    newest = rows_of(old)
    migrate(old, command.downgrade, version)
    assert schema.current(old) == version
    assert lost(before, rows_of(old)) == []
    schema.upgrade(old)
    assert lost(before, rows_of(old)) == []
    assert set(rows_of(old)) == set(newest)
    migrate(old, command.check)


def test_nothing_is_left_where_a_catalog_went_down_to_nothing(old):
    migrate(old, command.downgrade, "base")
    with old.engine.connect() as connection:
        assert tables_of(connection) == []


def test_search_finds_what_was_there_before_an_upgrade_and_what_changes_after_it(old):
    schema.upgrade(old)
    with old.writing.begin() as connection:
        connection.execute(
            sa.text("UPDATE search_documents SET body = 'harbour' WHERE video_id = 1")
        )
    with old.read() as session:
        assert found(session, "harbour") == [1]
        assert found(session, "body") == [2, 3]


def found(session, word: str) -> list[int]:
    asked = {
        "sqlite": "SELECT rowid FROM search_index WHERE search_index MATCH :word ORDER BY rowid",
        "postgresql": "SELECT video_id FROM search_documents"
        " WHERE words @@ to_tsquery('simple', :word) ORDER BY video_id",
    }[session.get_bind().dialect.name]
    return list(session.scalars(sa.text(asked), {"word": word}))


@pytest.mark.parametrize("begins_at", ["nothing", "the first version"])
def test_deployers_that_come_at_the_same_time_migrate_once_and_all_go_on(empty_url, begins_at):
    with closing(connect(empty_url)) as catalog:
        if begins_at != "nothing":
            migrate(catalog, command.upgrade, REVISIONS[0])
            with catalog.writing.begin() as connection:
                fill(connection, ROWS)
    barrier, answers = SPAWN.Barrier(DEPLOYERS), SPAWN.Queue()
    deployers = [
        SPAWN.Process(target=deploy, args=(empty_url, barrier, answers)) for _ in range(DEPLOYERS)
    ]
    for one in deployers:
        one.start()
    told = [answers.get(timeout=120) for _ in deployers]
    for one in deployers:
        one.join(30)
    assert told == [HEAD] * DEPLOYERS
    with closing(connect(empty_url)) as catalog:
        migrate(catalog, command.check)


def test_a_deployer_waits_for_another_whose_migration_is_not_committed(empty_url):
    answers = SPAWN.Queue()
    barrier = SPAWN.Barrier(2)
    with closing(connect(empty_url)) as catalog:
        schema.upgrade(catalog)  # SQLite's switch to its write-ahead log comes before any lock
        migrate(catalog, command.downgrade, "base")
        other = SPAWN.Process(target=deploy, args=(empty_url, barrier, answers))
        other.start()
        with catalog.writing.begin() as connection:
            command.upgrade(config(connection), "head")
            barrier.wait(60)
            other.join(1.5)
            assert other.is_alive()
            assert answers.empty()
        assert answers.get(timeout=60) == HEAD
        other.join(30)


def test_a_deployer_waits_for_one_that_writes_before_the_file_has_its_write_ahead_log(tmp_path):
    url = f"sqlite:///{tmp_path / 'catalog.db'}"
    with closing(connect(url)) as catalog, ThreadPoolExecutor(1) as pool:
        migrate(catalog, command.upgrade, REVISIONS[0])
        with catalog.writing.begin():
            other = pool.submit(schema.upgrade, catalog)
            with pytest.raises(TimeoutError):
                other.result(timeout=0.5)
        assert other.result(timeout=60) == HEAD
