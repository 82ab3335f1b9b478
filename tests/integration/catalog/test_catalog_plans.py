"""How the databases answer what is asked often: from an index, never by reading a whole table."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

import pytest
from catalog_rows import FOLDER, NOW, inspection, listing, look, register, scan, spec
from sqlalchemy import event

from catalog import analyses, locations, outstanding, rate_limits, scans
from catalog.rate_limits import Limits
from catalog.scans import Seen
from catalog.status import report
from catalog.totals import compare
from catalog.values import Order, SourceKind


class Statements:
    """What is asked through a connection, and how the database answers, as if tables were large."""

    def __init__(self, connection):
        self.connection = connection
        self.asked = []
        event.listen(connection.engine, "before_cursor_execute", self._note)

    def _note(self, _connection, _cursor, sql, values, *_):
        self.asked.append((sql, values))

    def plans(self, *tables):
        """Explain what was asked about these tables."""
        about = [one for one in self.asked if all(f" {table}" in one[0] for table in tables)]
        explain = "EXPLAIN QUERY PLAN"
        if self.connection.dialect.name == "postgresql":
            explain = "EXPLAIN"
            for way in ("seqscan", "hashjoin", "mergejoin", "material"):
                self.connection.exec_driver_sql(f"SET LOCAL enable_{way} = off")
        return [
            [str(row) for row in self.connection.exec_driver_sql(f"{explain} {sql}", values)]
            for sql, values in about
        ]


def whole_tables(plan):
    """Name what is read from end to end."""
    return [line for line in plan if re.search(r"SCAN (?!CONSTANT|.*USING)|Seq Scan", line)]


@pytest.fixture
def shelf_of_films(catalog):
    scope = register(catalog)
    page = [listing(f"{FOLDER}/{number}.mp4") for number in range(20)]
    scan(catalog, scope, page, NOW)
    look(catalog, scope, lambda one: inspection(one.name))
    return catalog, scope, page


def test_a_rescan_reads_along_the_uris(shelf_of_films):
    catalog, scope, page = shelf_of_films
    with catalog.snapshot() as connection:
        statements = Statements(connection)
        scans.differing(connection, scope, page, Seen())
        scans.unseen(connection, scope, Seen(), scan_began=NOW, unlisted=())
        plans = statements.plans("locations")
    assert len(plans) >= 2
    assert [whole_tables(plan) for plan in plans] == [[]] * len(plans)
    assert all(
        any("uq_locations_uri" in line or "sqlite_autoindex_locations" in line for line in plan)
        for plan in plans
    )


def test_a_page_that_is_scattered_reads_row_by_row(shelf_of_films):
    catalog, scope, page = shelf_of_films
    with catalog.snapshot() as connection:
        statements = Statements(connection)
        scans.differing(connection, scope, [page[0], page[-1]], Seen())
        assert "uri IN" in statements.asked[-1][0]
        assert whole_tables(statements.plans("locations")[-1]) == []


def test_the_largest_differences_come_from_an_index_of_them(catalog):
    with catalog.snapshot() as connection:
        statements = Statements(connection)
        compare(connection, limit=5)
        sums, differences = statements.plans("predictions")
    assert any("ix_predictions_billed" in line for line in sums)
    assert any("ix_predictions_differing" in line for line in differences)


def test_a_status_counts_from_indexes(catalog):
    with catalog.snapshot() as connection:
        statements = Statements(connection)
        report(connection, now=NOW, zone=ZoneInfo("UTC"))
        plans = statements.plans("count(")
    assert [line for plan in plans for line in whole_tables(plan)] == []
    if catalog.dialect == "sqlite":  # PostgreSQL takes any index of a table that is empty
        used = " ".join(line for plan in plans for line in plan)
        assert {
            "ix_videos_unusable",
            "ix_locations_unseen",
            "ix_analyses_left",
            "ix_predictions_fruitless",
            "ix_predictions_unfinished",
            "ix_predictions_billed",
        } <= set(re.findall(r"COVERING INDEX (\w+)", used))


@pytest.mark.parametrize("kind", [SourceKind.FOLDER])
def test_what_is_not_looked_at_yet_comes_from_an_index_of_it(catalog, kind):
    scope = register(catalog, FOLDER, kind)
    statements = []
    event.listen(
        catalog.engine,
        "before_cursor_execute",
        lambda _c, _k, sql, values, *_: statements.append((sql, values)),
    )
    with catalog.read() as session:
        locations.unlooked(session, [scope], after_uri="", limit=5)
        sql, values = statements[-1]
        explain = "EXPLAIN QUERY PLAN" if catalog.dialect == "sqlite" else "EXPLAIN"
        connection = session.connection()
        if catalog.dialect == "postgresql":
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        rows = connection.exec_driver_sql(f"{explain} {sql}", values).all()
    assert any("ix_locations_unlooked" in str(row) for row in rows)


def test_what_is_out_comes_from_the_index_of_what_is_unfinished(catalog):
    with catalog.snapshot() as connection:
        statements = Statements(connection)
        report(connection, now=NOW, zone=ZoneInfo("UTC"))
        plans = statements.plans("JOIN analyses", "JOIN videos")
    assert len(plans) == 2
    assert all(any("ix_predictions_unfinished" in line for line in plan) for plan in plans)


@pytest.mark.parametrize(
    ("order", "index"),
    [
        (Order.NEWEST, "ix_videos_taken_at"),
        (Order.OLDEST, "ix_videos_taken_at"),
        (Order.SHORTEST, "ix_videos_duration_seconds"),
        (Order.LONGEST, "ix_videos_duration_seconds"),
    ],
)
def test_what_is_left_first_is_looked_up_along_an_index(shelf_of_films, order, index):
    catalog, scope, _ = shelf_of_films
    with catalog.read() as session:
        statements = Statements(session.connection())
        next(analyses.stream(session, [scope], spec(), order, at_first=2), None)
        where_it_ends, first = statements.plans("videos")[:2]
    assert any(index in line for line in where_it_ends)
    assert any(index in line for line in first)
    assert whole_tables([*where_it_ends, *first]) == []
    assert [line for line in first if re.search(r"SCAN (locations|analyses)", line)] == []


ASKED_OF_WHAT_IS_OUT = {
    "starts": lambda session: rate_limits.take_starts(
        session, "e", 1, Limits(starts_per_minute=None, in_flight=9), now=NOW
    ),
    "orphans": lambda session: outstanding.orphans(session, run_id="run", alive=[]),
    "taken over": lambda session: outstanding.take_over(session, run_id="run", alive=[]),
    "lost": lambda session: outstanding.lost(session, "e"),
    "uncertain": outstanding.uncertain_names,
    "unsettled": lambda session: outstanding.unsettled(session, "e", after_id=0, limit=9),
}


@pytest.mark.parametrize("ask", ASKED_OF_WHAT_IS_OUT)
def test_what_is_out_is_never_looked_for_among_what_is_done(catalog, ask):
    with catalog.read() as session:
        statements = Statements(session.connection())
        ASKED_OF_WHAT_IS_OUT[ask](session)
        plans = statements.plans("predictions")
    index = "ix_predictions_unsettled" if ask == "unsettled" else "ix_predictions_unfinished"
    # PostgreSQL chooses by what it knows of the tables, which are empty here.
    expected = index if catalog.dialect == "sqlite" else "ix_predictions_"
    assert plans
    assert all(any(expected in line for line in plan) for plan in plans)
    assert [whole_tables(plan) for plan in plans] == [[]] * len(plans)
