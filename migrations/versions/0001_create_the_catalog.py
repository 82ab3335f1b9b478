"""Create the catalog.

Rules: ordered ids (0002, 0003, …). Never edit a released one. Works on SQLite and PostgreSQL, on
a catalog with rows in it, and back again. Raise `catalog.HEAD` with it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
URI = sa.String().with_variant(sa.String(collation="C"), "postgresql")

# Full-text search follows search_documents by itself, in each database's own way.
SQLITE_SEARCH = (
    """
    CREATE VIRTUAL TABLE search_index USING fts5(
        body, content='search_documents', content_rowid='video_id',
        tokenize='unicode61 remove_diacritics 2'
    )
    """,
    """
    CREATE TRIGGER search_documents_inserted AFTER INSERT ON search_documents BEGIN
        INSERT INTO search_index(rowid, body) VALUES (new.video_id, new.body);
    END
    """,
    """
    CREATE TRIGGER search_documents_deleted AFTER DELETE ON search_documents BEGIN
        INSERT INTO search_index(search_index, rowid, body)
        VALUES ('delete', old.video_id, old.body);
    END
    """,
    """
    CREATE TRIGGER search_documents_updated AFTER UPDATE ON search_documents BEGIN
        INSERT INTO search_index(search_index, rowid, body)
        VALUES ('delete', old.video_id, old.body);
        INSERT INTO search_index(rowid, body) VALUES (new.video_id, new.body);
    END
    """,
)
POSTGRESQL_SEARCH = (
    """
    ALTER TABLE search_documents ADD COLUMN words tsvector
    GENERATED ALWAYS AS (to_tsvector('simple', body)) STORED
    """,
    "CREATE INDEX ix_search_documents_words ON search_documents USING gin (words)",
)


def upgrade() -> None:
    op.create_table(
        "account_starts",
        sa.Column("endpoint", sa.String(length=255), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("starts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("endpoint", "at_ms", name="pk_account_starts"),
    )
    op.create_table(
        "budgets",
        sa.Column("scope", sa.String(length=64), nullable=False),
        sa.Column("limit_micros", sa.BigInteger(), nullable=True),
        sa.Column("committed_micros", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope", name="pk_budgets"),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("command", sa.String(length=32), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("flow_run_id", sa.String(length=36), nullable=True),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("process_started_at", sa.BigInteger(), nullable=False),
        sa.Column("heartbeat_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(length=32), nullable=True),
        sa.Column("counts", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
    )
    op.create_table(
        "sources",
        sa.Column("id", ID, nullable=False),
        sa.Column("uri", URI, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("last_scan_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_scan_problem", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_sources"),
        sa.UniqueConstraint("uri", name="uq_sources_uri"),
    )
    op.create_table(
        "videos",
        sa.Column("id", ID, nullable=False),
        sa.Column("content_id", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("probe_status", sa.String(length=32), nullable=False),
        sa.Column("probe_error", sa.Text(), nullable=True),
        sa.Column("probe_engine", sa.String(length=128), nullable=False),
        sa.Column("container", sa.String(length=64), nullable=True),
        sa.Column("duration_seconds", sa.BigInteger(), nullable=True),
        sa.Column("duration_source", sa.String(length=32), nullable=False),
        sa.Column("video_codec", sa.String(length=64), nullable=True),
        sa.Column("audio_codec", sa.String(length=64), nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("rotation", sa.Integer(), nullable=True),
        sa.Column("fps", sa.BigInteger(), nullable=True),
        sa.Column("has_audio", sa.Boolean(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_videos"),
        sa.UniqueConstraint("content_id", name="uq_videos_content_id"),
    )
    op.create_index("ix_videos_taken_at", "videos", ["taken_at"], unique=False)
    op.create_index(
        "ix_videos_unusable",
        "videos",
        ["probe_status"],
        unique=False,
        sqlite_where=sa.text("probe_status <> 'ok'"),
        postgresql_where=sa.text("probe_status <> 'ok'"),
    )

    op.create_table(
        "analyses",
        sa.Column("id", ID, nullable=False),
        sa.Column("video_id", ID, nullable=False),
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("task", sa.String(length=32), nullable=False),
        sa.Column("instructions", sa.Text(), nullable=False),
        sa.Column("instructions_hash", sa.String(length=64), nullable=False),
        sa.Column("window", sa.String(length=32), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("raw", sa.Text(), nullable=True),
        sa.Column("coverage", sa.String(length=128), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["video_id"], ["videos.id"], name="fk_analyses_video_id"),
        sa.PrimaryKeyConstraint("id", name="pk_analyses"),
    )
    op.create_index(
        "ix_analyses_left",
        "analyses",
        ["model", "task", "status"],
        unique=False,
        sqlite_where=sa.text("status <> 'completed'"),
        postgresql_where=sa.text("status <> 'completed'"),
    )
    op.create_index(
        "uq_analyses_identity",
        "analyses",
        ["video_id", "model", "task", "instructions_hash", "window"],
        unique=True,
    )

    op.create_table(
        "locations",
        sa.Column("id", ID, nullable=False),
        sa.Column("uri", URI, nullable=False),
        sa.Column("source_id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=False),
        sa.Column("etag", sa.String(length=255), nullable=True),
        sa.Column("version", sa.String(length=1024), nullable=True),
        sa.Column("storage_class", sa.String(length=64), nullable=True),
        sa.Column("video_id", ID, nullable=True),
        sa.Column("probe_status", sa.String(length=32), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("first_seen", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen", sa.DateTime(timezone=True), nullable=False),
        sa.Column("missing_since", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name="fk_locations_source_id"),
        sa.ForeignKeyConstraint(["video_id"], ["videos.id"], name="fk_locations_video_id"),
        sa.PrimaryKeyConstraint("id", name="pk_locations"),
        sa.UniqueConstraint("uri", name="uq_locations_uri"),
    )
    op.create_index(
        "ix_locations_unlooked",
        "locations",
        ["uri"],
        unique=False,
        sqlite_where=sa.text("probe_status IS NULL"),
        postgresql_where=sa.text("probe_status IS NULL"),
    )
    op.create_index(
        "ix_locations_unseen",
        "locations",
        ["missing_since", "probe_status", "video_id"],
        unique=False,
        sqlite_where=sa.text("missing_since IS NOT NULL OR video_id IS NULL"),
        postgresql_where=sa.text("missing_since IS NOT NULL OR video_id IS NULL"),
    )
    op.create_index("ix_locations_video_id", "locations", ["video_id"], unique=False)

    op.create_table(
        "search_documents",
        sa.Column("video_id", ID, autoincrement=False, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["video_id"], ["videos.id"], name="fk_search_documents_video_id"),
        sa.PrimaryKeyConstraint("video_id", name="pk_search_documents"),
    )
    op.create_table(
        "uploads",
        sa.Column("video_id", ID, nullable=False),
        sa.Column("endpoint", sa.String(length=255), nullable=False),
        sa.Column("download_url", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["video_id"], ["videos.id"], name="fk_uploads_video_id"),
        sa.PrimaryKeyConstraint("video_id", "endpoint", name="pk_uploads"),
    )
    op.create_table(
        "manifest_entries",
        sa.Column("source_id", ID, nullable=False),
        sa.Column("location_id", ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["location_id"], ["locations.id"], name="fk_manifest_entries_location_id"
        ),
        sa.ForeignKeyConstraint(
            ["source_id"], ["sources.id"], name="fk_manifest_entries_source_id"
        ),
        sa.PrimaryKeyConstraint("source_id", "location_id", name="pk_manifest_entries"),
    )
    op.create_index(
        "ix_manifest_entries_location_id", "manifest_entries", ["location_id"], unique=False
    )

    op.create_table(
        "predictions",
        sa.Column("id", ID, nullable=False),
        sa.Column("token", sa.String(length=64), nullable=False),
        sa.Column("analysis_id", ID, nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("owner_run_id", sa.String(length=36), nullable=False),
        sa.Column("endpoint", sa.String(length=255), nullable=False),
        sa.Column("provider_id", sa.String(length=128), nullable=True),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("quoted_micros", sa.BigInteger(), nullable=False),
        sa.Column("price_list", sa.String(length=64), nullable=False),
        sa.Column("charged_micros", sa.BigInteger(), nullable=True),
        sa.Column("budget_day", sa.String(length=64), nullable=False),
        sa.Column("budget_month", sa.String(length=64), nullable=False),
        sa.Column("held_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("uncertain_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("bill_silent_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("drift_seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Integer(), nullable=True),
        sa.Column("retryable", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(
            ["analysis_id"], ["analyses.id"], name="fk_predictions_analysis_id"
        ),
        sa.ForeignKeyConstraint(["owner_run_id"], ["runs.id"], name="fk_predictions_owner_run_id"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_predictions_run_id"),
        sa.PrimaryKeyConstraint("id", name="pk_predictions"),
        sa.UniqueConstraint("provider_id", name="uq_predictions_provider_id"),
        sa.UniqueConstraint("token", name="uq_predictions_token"),
    )
    op.create_index("ix_predictions_analysis_id", "predictions", ["analysis_id"], unique=False)
    op.create_index(
        "ix_predictions_fruitless",
        "predictions",
        ["status"],
        unique=False,
        sqlite_where=sa.text("status IN ('failed', 'expired', 'released')"),
        postgresql_where=sa.text("status IN ('failed', 'expired', 'released')"),
    )
    op.create_index("ix_predictions_run_id", "predictions", ["run_id"], unique=False)
    op.create_index(
        "ix_predictions_unfinished",
        "predictions",
        ["status", "endpoint"],
        unique=False,
        sqlite_where=sa.text("status IN ('held', 'submitting', 'uncertain', 'running')"),
        postgresql_where=sa.text("status IN ('held', 'submitting', 'uncertain', 'running')"),
    )
    op.create_index(
        "ix_predictions_unsettled",
        "predictions",
        ["status"],
        unique=False,
        sqlite_where=sa.text("status IN ('completed', 'failed', 'expired') AND settled_at IS NULL"),
        postgresql_where=sa.text(
            "status IN ('completed', 'failed', 'expired') AND settled_at IS NULL"
        ),
    )
    op.create_index(
        "uq_predictions_live",
        "predictions",
        ["analysis_id"],
        unique=True,
        sqlite_where=sa.text(
            "status IN ('held', 'submitting', 'uncertain', 'running', 'completed')"
        ),
        postgresql_where=sa.text(
            "status IN ('held', 'submitting', 'uncertain', 'running', 'completed')"
        ),
    )

    op.create_table(
        "ledger_entries",
        sa.Column("id", ID, nullable=False),
        sa.Column("prediction_id", ID, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("price_list", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["prediction_id"], ["predictions.id"], name="fk_ledger_entries_prediction_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_entries"),
    )
    op.create_index(
        "ix_ledger_entries_prediction_id", "ledger_entries", ["prediction_id"], unique=False
    )
    dialect = op.get_bind().dialect.name
    for statement in SQLITE_SEARCH if dialect == "sqlite" else POSTGRESQL_SEARCH:
        op.execute(statement)


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE search_index")

    op.drop_table("ledger_entries")

    op.drop_table("predictions")

    op.drop_table("manifest_entries")
    op.drop_table("uploads")
    op.drop_table("search_documents")

    op.drop_table("locations")

    op.drop_table("analyses")

    op.drop_table("videos")
    op.drop_table("sources")
    op.drop_table("runs")
    op.drop_table("budgets")
    op.drop_table("account_starts")
