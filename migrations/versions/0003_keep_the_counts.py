"""Keep the counts and sums that a status shows.

Revision ID: 0003
Revises: 0002

Counting a million rows takes longer than anybody wants to wait for a status, so the databases keep
the counts themselves, by triggers, in the transaction that changes a row. What is few is not kept
but counted from an index: of predictions only the ends are kept, and pending analyses are all that
are not anything else (`catalog.totals` puts it together). So most moves of a prediction write
nothing here. A later migration that makes one of these tables anew, as a batch operation on SQLite
does, has to make its triggers anew.
"""

import re
from typing import NamedTuple

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


class Count(NamedTuple):
    """What the rows of a table count under, how much, and which rows; `r` is the row."""

    table: str
    lines: list[tuple[str, str]]
    which: str = "1 = 1"
    #: The columns that decide it.
    columns: tuple[str, ...] = ()


PLACE = """
    CASE WHEN r.missing_since IS NOT NULL THEN 'locations.missing'
         WHEN r.video_id IS NOT NULL THEN 'locations.read'
         WHEN r.probe_status IS NULL THEN 'locations.unlooked'
         ELSE 'locations.unread' END
"""
FINISHED = (
    "(r.status = 'completed' OR r.status = 'failed' OR r.status = 'expired'"
    " OR r.status = 'released')"
)
#: By the last part of their triggers' names.
COUNTS = {
    "videos": Count("videos", [("'videos.' || r.probe_status", "1")], columns=("probe_status",)),
    "places": Count(
        "locations", [(PLACE, "1")], columns=("missing_since", "video_id", "probe_status")
    ),
    "analyses": Count("analyses", [("'analyses'", "1")]),
    "states": Count(
        "analyses", [("'analyses.' || r.status", "1")], "r.status <> 'pending'", ("status",)
    ),
    "ends": Count("predictions", [("'predictions.' || r.status", "1")], FINISHED, ("status",)),
    "bills": Count(
        "predictions",
        [
            ("'bill.settled'", "1"),
            ("'bill.quoted'", "r.quoted_micros"),
            ("'bill.charged'", "COALESCE(r.charged_micros, 0)"),
        ],
        "(r.settled_at IS NOT NULL AND (r.status = 'completed' OR r.charged_micros <> 0))",
        ("status", "settled_at", "quoted_micros", "charged_micros"),
    ),
    "entries": Count(
        "ledger_entries",
        [("'ledger.' || r.kind", "r.amount_micros")],
        columns=("kind", "amount_micros"),
    ),
}

#: Indexes on conditions that SQLite tests quickly: it builds a table for every IN of more than two,
#: for each index, before and after each change of a row.
LIVE = "status = 'held' OR status = 'submitting' OR status = 'uncertain' OR status = 'running'"
TESTED = {
    "uq_predictions_live": (["analysis_id"], f"{LIVE} OR status = 'completed'"),
    "ix_predictions_unfinished": (["status", "endpoint"], LIVE),
    "ix_predictions_unsettled": (
        ["status"],
        "settled_at IS NULL AND (status = 'completed' OR status = 'failed' OR status = 'expired')",
    ),
}
TESTED_BEFORE = {
    "uq_predictions_live": (
        ["analysis_id"],
        "status IN ('held', 'submitting', 'uncertain', 'running', 'completed')",
    ),
    "ix_predictions_unfinished": (
        ["status", "endpoint"],
        "status IN ('held', 'submitting', 'uncertain', 'running')",
    ),
    "ix_predictions_unsettled": (
        ["status"],
        "status IN ('completed', 'failed', 'expired') AND settled_at IS NULL",
    ),
}
#: They were there to count by, which is not done any more.
COUNTED_BY = {
    "ix_analyses_left": ("analyses", ["model", "task", "status"], "status <> 'completed'"),
    "ix_locations_unseen": (
        "locations",
        ["missing_since", "probe_status", "video_id"],
        "missing_since IS NOT NULL OR video_id IS NULL",
    ),
    "ix_predictions_fruitless": (
        "predictions",
        ["status"],
        "status IN ('failed', 'expired', 'released')",
    ),
    "ix_videos_unusable": ("videos", ["probe_status"], "probe_status <> 'ok'"),
}

ROW = re.compile(r"\br\.")
ADD = "ON CONFLICT (name) DO UPDATE SET amount = tallies.amount + excluded.amount"


def of(row, sql):
    return ROW.sub(f"{row}.", sql)


def select(counts, rows, sign=""):
    """Say what rows in `rows` count, one SELECT a line."""
    return " UNION ALL ".join(
        f"SELECT {name} AS name, {sign}({amount}) AS amount FROM {rows or one.table} AS r "
        f"WHERE {one.which}"
        for one in counts
        for name, amount in one.lines
    )


def sqlite_triggers(name, count):
    """Three triggers for each count, which run once a row where the row counts."""

    def statements(row, sign):
        return "".join(
            f"INSERT INTO tallies (name, amount) SELECT {of(row, line)}, {sign}({of(row, amount)}) "
            f"WHERE {of(row, count.which)} {ADD};"
            for line, amount in count.lines
        )

    def trigger(what, event, condition, inside):
        return (
            f"CREATE TRIGGER tally_{name}_{what} AFTER {event} ON {count.table} WHEN {condition} "
            f"BEGIN {inside} END"
        )

    minus, plus = statements("old", "-"), statements("new", "")
    left, joined = of("old", count.which), of("new", count.which)
    yield trigger("inserted", "INSERT", joined, plus)
    yield trigger("deleted", "DELETE", left, minus)
    if count.columns:
        changed = " OR ".join(f"old.{column} IS NOT new.{column}" for column in count.columns)
        update = f"UPDATE OF {', '.join(count.columns)}"
        yield trigger("updated", update, f"({changed}) AND ({left} OR {joined})", minus + plus)


def postgresql_triggers(table, counts):
    """One trigger for all that a table counts: it runs once a statement, however many rows."""
    added = select(counts, "added")
    gone = select(counts, "gone", "-")
    changing = [count for count in counts if count.columns]
    changed = f"{select(changing, 'gone', '-')} UNION ALL {select(changing, 'added')}"
    events = {
        "inserted": ("INSERT", "NEW TABLE AS added", added),
        "deleted": ("DELETE", "OLD TABLE AS gone", gone),
        "updated": ("UPDATE", "OLD TABLE AS gone NEW TABLE AS added", changed),
    }
    for what, (event, tables, counted) in events.items():
        name = f"tally_{table}_{what}"
        yield f"""
            CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                INSERT INTO tallies (name, amount)
                SELECT name, SUM(amount) FROM ({counted}) AS counted
                GROUP BY name HAVING SUM(amount) <> 0 ORDER BY name {ADD};
                RETURN NULL;
            END $$
        """
        yield (
            f"CREATE TRIGGER {name} AFTER {event} ON {table} REFERENCING {tables} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
        )


def by_table():
    tables = {}
    for count in COUNTS.values():
        tables.setdefault(count.table, []).append(count)
    return tables


def upgrade() -> None:
    op.execute(
        "CREATE TABLE tallies (name VARCHAR(64) NOT NULL PRIMARY KEY, amount BIGINT NOT NULL)"
    )
    for counts in by_table().values():
        op.execute(
            "INSERT INTO tallies (name, amount) SELECT name, SUM(amount) "
            f"FROM ({select(counts, None)}) AS c GROUP BY name"
        )
    for statement in triggers():
        op.execute(statement)
    op.execute(
        "CREATE INDEX ix_predictions_differing ON predictions "
        "(abs(charged_micros - quoted_micros)) "
        "WHERE settled_at IS NOT NULL AND charged_micros <> quoted_micros"
    )
    op.create_index("ix_videos_duration_seconds", "videos", ["duration_seconds"])
    for name, (table, _, _) in COUNTED_BY.items():
        op.drop_index(name, table)
    index_anew(TESTED)


def index_anew(indexes):
    for name, (columns, condition) in indexes.items():
        op.drop_index(name, "predictions")
        index(name, "predictions", columns, condition)


def index(name, table, columns, condition):
    op.create_index(
        name,
        table,
        columns,
        unique=name.startswith("uq_"),
        sqlite_where=sa.text(condition),
        postgresql_where=sa.text(condition),
    )


def triggers():
    if op.get_bind().dialect.name == "sqlite":
        for name, count in COUNTS.items():
            yield from sqlite_triggers(name, count)
    else:
        for table, counts in by_table().items():
            yield from postgresql_triggers(table, counts)


def downgrade() -> None:
    index_anew(TESTED_BEFORE)
    for name, (table, columns, condition) in COUNTED_BY.items():
        index(name, table, columns, condition)
    op.drop_index("ix_videos_duration_seconds", "videos")
    op.execute("DROP INDEX ix_predictions_differing")
    if op.get_bind().dialect.name == "sqlite":
        for name in COUNTS:
            for what in ("inserted", "deleted", "updated"):
                op.execute(f"DROP TRIGGER IF EXISTS tally_{name}_{what}")
    else:
        for table in by_table():
            for what in ("inserted", "deleted", "updated"):
                op.execute(f"DROP TRIGGER tally_{table}_{what} ON {table}")
                op.execute(f"DROP FUNCTION tally_{table}_{what}()")
    op.execute("DROP TABLE tallies")
