"""Count from indexes what a status shows, instead of keeping the counts by triggers.

Revision ID: 0005
Revises: 0004

The counts of 0003 were written with each change of a row. Most rows of a table are alike, so an
index of the others is enough: they are counted, and the rest of the table is what is alike.
"""

import sqlalchemy as sa
from alembic import context, op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_videos_unusable": ("videos", ["probe_status"], "probe_status <> 'ok'"),
    "ix_locations_unseen": (
        "locations",
        ["missing_since", "probe_status", "video_id"],
        "missing_since IS NOT NULL OR video_id IS NULL",
    ),
    "ix_analyses_left": ("analyses", ["status"], "status <> 'completed'"),
    "ix_predictions_fruitless": (
        "predictions",
        ["status"],
        "status = 'failed' OR status = 'expired' OR status = 'released'",
    ),
    "ix_predictions_billed": (
        "predictions",
        ["status", "settled_at", "quoted_micros", "charged_micros"],
        "settled_at IS NOT NULL AND (status = 'completed' OR charged_micros <> 0)",
    ),
    "ix_ledger_entries_charged": (
        "ledger_entries",
        ["kind", "amount_micros"],
        "kind <> 'hold' AND kind <> 'release'",
    ),
}
EVENTS = ("inserted", "deleted", "updated")


def kept():
    """Give the migration that made the counts and knows their triggers."""
    return context.script.get_revision("0003").module


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for name in kept().COUNTS:
            for what in EVENTS:
                op.execute(f"DROP TRIGGER IF EXISTS tally_{name}_{what}")
    else:
        for table in kept().by_table():
            for what in EVENTS:
                op.execute(f"DROP TRIGGER tally_{table}_{what} ON {table}")
                op.execute(f"DROP FUNCTION tally_{table}_{what}()")
    op.execute("DROP TABLE tallies")
    for name, (table, columns, condition) in INDEXES.items():
        op.create_index(
            name,
            table,
            columns,
            sqlite_where=sa.text(condition),
            postgresql_where=sa.text(condition),
        )


def downgrade() -> None:
    for name, (table, _, _) in INDEXES.items():
        op.drop_index(name, table)
    op.execute(
        "CREATE TABLE tallies (name VARCHAR(64) NOT NULL PRIMARY KEY, amount BIGINT NOT NULL)"
    )
    for counts in kept().by_table().values():
        op.execute(
            "INSERT INTO tallies (name, amount) SELECT name, SUM(amount) "
            f"FROM ({kept().select(counts, None)}) AS c GROUP BY name"
        )
    for statement in kept().triggers():
        op.execute(statement)
