"""A catalog that is copied whole, from each database to the other, or not at all."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest
import sqlalchemy as sa
from catalog_rows import FOLDER, listing, record, register, start_run, wanted_analyses
from catalogs import DIALECTS
from table_rows import fill, kept

from catalog import runs, schema, transfer
from catalog.database import Catalog, connect
from catalog.errors import CatalogError
from catalog.models import Analysis, Base, Location, Run
from catalog.search import parse, search

#: More than two pages.
ROWS = 2 * transfer.PAGE + 345


@pytest.fixture
def other_url(request, catalog):
    """Where nothing is yet, on the database that `catalog` is not in."""
    (dialect,) = set(DIALECTS) - {catalog.dialect}
    shelf = request.getfixturevalue(f"{dialect}_shelf")
    url = shelf.empty()
    yield url
    shelf.drop(url)


@pytest.fixture
def other(other_url):
    with closing(connect(other_url)) as opened:
        yield opened


def copied(source: Catalog, destination: Catalog, living=()) -> transfer.Copy:
    return transfer.copy(source, destination, living=lambda _: living, progress=lambda *_: None)


def everything(catalog: Catalog):
    """All rows, as the models read them."""
    with catalog.read() as session:
        return {
            table.name: sorted(map(repr, session.execute(sa.select(table))))
            for table in Base.metadata.sorted_tables
        }


def test_every_row_arrives_and_is_counted(catalog, other):
    with catalog.writing.begin() as connection:
        fill(connection, ROWS)
    seen = []
    done = transfer.copy(
        catalog, other, living=lambda _: [], progress=lambda *told: seen.append(told)
    )
    tables = Base.metadata.sorted_tables
    assert everything(other) == everything(catalog)
    assert {one.table: one.rows for one in done.tables} == {one.name: ROWS for one in tables}
    assert done.rows == ROWS * len(tables)
    assert len({one.digest for one in done.tables}) == len(tables)
    assert [count for _, count, _ in seen] == sorted({count for _, count, _ in seen})
    assert seen[-1] == (tables[-1].name, done.rows, done.rows)


def test_a_copy_of_a_copy_has_the_same_digests(catalog, other, shelf):
    with catalog.writing.begin() as connection:
        fill(connection, 20)
    there = copied(catalog, other)
    url = shelf.empty()
    with closing(connect(url)) as third:
        back = copied(other, third)
        assert back.tables == there.tables
        with third.engine.connect() as ours, catalog.engine.connect() as theirs:
            assert kept(ours) == kept(theirs)
    shelf.drop(url)


def test_the_copy_goes_on_numbering_and_finds_what_was_there(catalog, other):
    wanted_analyses(catalog, 3)
    start_run(catalog, "run-1", None)
    copied(catalog, other)
    with other.read() as session:
        assert [hit.names for hit in search(session.connection(), parse("0001"), limit=9).hits] == [
            ("0001.mp4",)
        ]
        assert session.scalar(sa.text("SELECT count(*) FROM runs WHERE counts IS NULL")) == 1
        known = set(session.scalars(sa.select(Location.id)))
    record(other, register(other), [listing(f"{FOLDER}/new.mp4")])
    with other.read() as session:
        assert len(set(session.scalars(sa.select(Location.id))) - known) == 1


def test_a_source_on_which_a_run_is_at_work_is_left_alone(catalog, other):
    start_run(catalog, "run-1", None)
    with catalog.read() as session:
        (seen,) = runs.unfinished(session)
    with pytest.raises(CatalogError, match=r"Run run-1 is at work on .*; stop it or wait"):
        copied(catalog, other, living=[seen])
    assert schema.current(other) is None
    done = copied(catalog, other)
    assert {one.table: one.rows for one in done.tables}["runs"] == 1


def test_a_destination_that_holds_anything_is_left_alone(catalog, other):
    schema.upgrade(other)
    start_run(other, "theirs", None)
    before = everything(other)
    with pytest.raises(CatalogError, match="is not empty; name one that does not exist"):
        copied(catalog, other)
    assert everything(other) == before


def test_a_catalog_cannot_be_copied_onto_itself(catalog):
    start_run(catalog, "run-1", None)
    with pytest.raises(CatalogError, match="is not empty"):
        copied(catalog, catalog)


@pytest.mark.parametrize("which", ["source", "destination"])
def test_another_version_is_to_be_upgraded_first(catalog, other, which):
    schema.upgrade(other)
    old = {"source": catalog, "destination": other}[which]
    with old.writing.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0000'"))
    with pytest.raises(CatalogError, match=r"has version 0000.*`reelcat db upgrade`"):
        copied(catalog, other)


def test_what_cannot_be_kept_is_told_and_nothing_arrives(sqlite_shelf, postgresql_shelf):
    ours, theirs = sqlite_shelf.made(), postgresql_shelf.made()
    with closing(connect(ours)) as source, closing(connect(theirs)) as destination:
        scope = register(source)
        record(source, scope, [listing(f"{FOLDER}/film.mp4", etag="e" * 300)])
        with pytest.raises(CatalogError, match="cannot keep a row of locations"):
            copied(source, destination)
        assert not any(everything(destination).values())
    sqlite_shelf.drop(ours)
    postgresql_shelf.drop(theirs)


def test_what_a_database_changes_on_the_way_is_noticed_and_not_kept(catalog, other):
    wanted_analyses(catalog, 3)
    schema.upgrade(other)
    with other.writing.begin() as connection:
        for statement in FORGETFUL[other.dialect]:
            connection.execute(sa.text(statement))
    with pytest.raises(CatalogError, match=r"gives back .* rows of analyses that are not"):
        copied(catalog, other)
    with other.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Analysis)) == 0


#: A database that loses the words of what was asked.
FORGETFUL = {
    "sqlite": (
        """CREATE TRIGGER forgetful AFTER INSERT ON analyses BEGIN
        UPDATE analyses SET model = 'forgotten' WHERE id = new.id; END""",
    ),
    "postgresql": (
        """CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN NEW.model = 'forgotten'; RETURN NEW; END $$""",
        """CREATE TRIGGER forgetful BEFORE INSERT ON analyses
        FOR EACH ROW EXECUTE FUNCTION forget()""",
    ),
}


def test_nobody_writes_to_the_source_while_it_is_copied(catalog, other):
    """A run that began meanwhile would buy what the copy does not know."""
    start_run(catalog, "early", None)
    late = threading.Thread(target=start_run, args=(catalog, "late", None))
    waited = []

    def begin_another(*_) -> None:
        if not waited:
            late.start()
            late.join(0.5)
            waited.append(late.is_alive())

    transfer.copy(catalog, other, living=lambda _: [], progress=begin_another)
    late.join(60)
    assert waited == [True]
    assert run_ids(catalog) == {"early", "late"}
    assert run_ids(other) == {"early"}


def run_ids(catalog: Catalog) -> set[str]:
    with catalog.read() as session:
        return set(session.scalars(sa.select(Run.id)))
