"""Say who looks at a location.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("locations", sa.Column("claimed_by", sa.String(length=36), nullable=True))


def downgrade() -> None:
    op.drop_column("locations", "claimed_by")
