"""Adopt what another catalog bought, count what was bought besides, keep unclear bill lines.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

#: SQLite numbers rows by itself only in a column that is spelled INTEGER.
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LIVE = (
    "status = 'held' OR status = 'submitting' OR status = 'uncertain' OR status = 'running'"
    " OR status = 'completed'"
)


def upgrade() -> None:
    op.add_column(
        "predictions",
        sa.Column("surplus", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    index_anew(f"NOT surplus AND ({LIVE})")
    op.create_table(
        "unclaimed_predictions",
        sa.Column("endpoint", sa.String(length=255), nullable=False),
        sa.Column("provider_id", sa.String(length=128), nullable=False),
        sa.Column("token", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("endpoint", "provider_id", name="pk_unclaimed_predictions"),
    )
    op.create_table(
        "unclear_bill_lines",
        sa.Column("id", ID, nullable=False),
        sa.Column("endpoint", sa.String(length=255), nullable=False),
        sa.Column("line", sa.String(length=128), nullable=False),
        sa.Column("provider_id", sa.String(length=128), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_unclear_bill_lines"),
    )
    op.create_index(
        "uq_unclear_bill_lines_line",
        "unclear_bill_lines",
        ["endpoint", "line", "provider_id"],
        unique=True,
    )


def downgrade() -> None:
    op.drop_table("unclear_bill_lines")
    op.drop_table("unclaimed_predictions")
    index_anew(LIVE)
    op.drop_column("predictions", "surplus")


def index_anew(condition):
    op.drop_index("uq_predictions_live", "predictions")
    op.create_index(
        "uq_predictions_live",
        "predictions",
        ["analysis_id"],
        unique=True,
        sqlite_where=sa.text(condition),
        postgresql_where=sa.text(condition),
    )
