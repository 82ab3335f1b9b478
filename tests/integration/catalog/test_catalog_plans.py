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
from catalog.snapshot import Snapshot
from catalog.status import report
from catalog.totals import compare
from catalog.values import Order, SourceKind


class Asked:
    """What was asked through a snapshot, with its values."""

    def __init__(self, snapshot):
        self.queries = []
        inner = snapshot._asked

        def asked(sql, values):
            self.queries.append((sql, values))
            return inner(sql, values)

        snapshot._asked = asked


def plan_of(snapshot, sql, values):
    """Explain a query as if the tables were large."""
    if snapshot.dialect == "sqlite":
        return [row["detail"] for row in snapshot.rows(f"EXPLAIN QUERY PLAN {sql}", **values)]
    snapshot.rows("SELECT set_config('enable_seqscan', 'off', true)")
    return [row["QUERY PLAN"] for row in snapshot.rows(f"EXPLAIN {sql}", **values)]


def whole_tables(plan):
    """Name what is read from end to end."""
    return [line for line in plan if re.search(r"SCAN (?!.*USING)|Seq Scan", line)]


@pytest.fixture
def shelf_of_films(catalog):
    scope = register(catalog)
    page = [listing(f"{FOLDER}/{number}.mp4") for number in range(20)]
    scan(catalog, scope, page, NOW)
    look(catalog, scope, lambda one: inspection(one.name))
    return catalog, scope, page


def test_a_rescan_reads_along_the_uris(shelf_of_films):
    catalog, scope, page = shelf_of_films
    with catalog.read() as session:
        snapshot = Snapshot.of(session)
        asked = Asked(snapshot)
        scans.differing(snapshot, scope, page, Seen())
        scans.unseen(snapshot, scope, Seen(), scan_began=NOW, unlisted=())
        about = [query for query in asked.queries if "FROM locations" in query[0]]
        plans = [plan_of(snapshot, *query) for query in about]
    assert len(plans) >= 2
    assert [whole_tables(plan) for plan in plans] == [[]] * len(plans)
    assert all(
        any("uq_locations_uri" in line or "sqlite_autoindex_locations" in line for line in plan)
        for plan in plans
    )


def test_a_page_that_is_scattered_reads_row_by_row(shelf_of_films):
    catalog, scope, page = shelf_of_films
    with catalog.read() as session:
        snapshot = Snapshot.of(session)
        asked = Asked(snapshot)
        scans.differing(snapshot, scope, [page[0], page[-1]], Seen())
        sql, values = asked.queries[-1]
        assert "uri IN" in sql
        assert whole_tables(plan_of(snapshot, sql, values)) == []


def test_the_largest_differences_come_from_an_index_of_them(catalog):
    with catalog.read() as session:
        snapshot = Snapshot.of(session)
        asked = Asked(snapshot)
        compare(snapshot, limit=5)
        sql, values = asked.queries[-1]
        plan = plan_of(snapshot, sql, values)
    assert any("ix_predictions_differing" in line for line in plan)


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
    with catalog.read() as session:
        snapshot = Snapshot.of(session)
        asked = Asked(snapshot)
        report(snapshot, now=NOW, zone=ZoneInfo("UTC"))
        about = [query for query in asked.queries if "JOIN analyses" in query[0]]
        plans = [plan_of(snapshot, *query) for query in about]
    assert len(plans) == 2
    assert all(any("ix_predictions_unfinished" in line for line in plan) for plan in plans)


class Statements:
    """What a session asks, and how the database answers, as if its tables were large."""

    def __init__(self, session):
        self.session = session
        self.asked = []
        event.listen(session.get_bind(), "before_cursor_execute", self._note)

    def _note(self, _connection, _cursor, sql, values, *_):
        self.asked.append((sql, values))

    def plans(self, *tables):
        """Explain what was asked about these tables."""
        about = [one for one in self.asked if all(f" {table}" in one[0] for table in tables)]
        connection = self.session.connection()
        explain = "EXPLAIN QUERY PLAN"
        if connection.dialect.name == "postgresql":
            explain = "EXPLAIN"
            for way in ("seqscan", "hashjoin", "mergejoin", "material"):
                connection.exec_driver_sql(f"SET LOCAL enable_{way} = off")
        return [
            [str(row) for row in connection.exec_driver_sql(f"{explain} {sql}", values)]
            for sql, values in about
        ]


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
        statements = Statements(session)
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
        statements = Statements(session)
        ASKED_OF_WHAT_IS_OUT[ask](session)
        plans = statements.plans("predictions")
    index = "ix_predictions_unsettled" if ask == "unsettled" else "ix_predictions_unfinished"
    # PostgreSQL chooses by what it knows of the tables, which are empty here.
    expected = index if catalog.dialect == "sqlite" else "ix_predictions_"
    assert plans
    assert all(any(expected in line for line in plan) for plan in plans)
    assert [whole_tables(plan) for plan in plans] == [[]] * len(plans)
