"""The catalog's tables and column types; `migrations/` makes databases agree with them.

Money columns are micro-dollars, times are UTC, and values that databases spell differently are kept
exactly. Nothing here needs SQLAlchemy's ORM, which a command that only reads does without.
"""

from __future__ import annotations

import enum
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    DateTime,
    Dialect,
    Enum,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    and_,
    literal_column,
    or_,
)
from sqlalchemy.types import TypeDecorator

from catalog.measures import MEASURES, Measured
from catalog.values import (
    AnalysisStatus,
    AnalysisType,
    LedgerKind,
    PredictionStatus,
    ProbeStatus,
    RunStatus,
    SourceKind,
)

#: A URI compares byte by byte on every database, so that a prefix is a range.
Uri = String(collation=None).with_variant(String(collation="C"), "postgresql")


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time; a naive one is refused on its way in."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC; SQLite keeps no zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise TypeError(f"a time without a zone: {value}")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give an aware UTC time back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Millionths(TypeDecorator[Decimal]):
    """A decimal number kept as an integer count of millionths: exact, and sortable by SQL."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        """Round to the nearest millionth."""
        return None if value is None else int((value * 1_000_000).to_integral_value())

    def process_result_value(self, value: Any | None, dialect: Dialect) -> Decimal | None:
        """Give the decimal number back."""
        return None if value is None else Decimal(value) / 1_000_000


def by_value(kind: type[enum.StrEnum]) -> Enum:
    """Keep an enum by its value, in a plain text column that a new member does not change."""
    return Enum(
        kind,
        native_enum=False,
        create_constraint=False,
        length=32,
        values_callable=lambda members: [member.value for member in members],
    )


#: SQLite numbers rows by itself only in a column that is spelled INTEGER.
Id = BigInteger().with_variant(Integer, "sqlite")

#: Written without IN, for which SQLite builds a table at each change of a row.
PREDICTIONS_UNFINISHED = (
    "status = 'held' OR status = 'submitting' OR status = 'uncertain' OR status = 'running'"
)
#: `catalog.lifecycle.LIVE` as SQL, for the index that makes a second live prediction impossible.
#: What was bought besides, and is only counted, does not stand in its way.
PREDICTIONS_LIVE = f"NOT surplus AND ({PREDICTIONS_UNFINISHED} OR status = 'completed')"
PREDICTIONS_UNSETTLED = (
    "settled_at IS NULL AND (status = 'completed' OR status = 'failed' OR status = 'expired')"
)

LOCATIONS_UNLOOKED = "probe_status IS NULL"

# What counts and sums are taken from. Of the other rows there are many, and all are alike: they are
# the rest of the table. SQLite uses an index only where a query repeats the words of its condition.
VIDEOS_UNUSABLE = "probe_status <> 'ok'"
LOCATIONS_UNSEEN = "missing_since IS NOT NULL OR video_id IS NULL"
ANALYSES_LEFT = "status <> 'completed'"
PREDICTIONS_FRUITLESS = "status = 'failed' OR status = 'expired' OR status = 'released'"
#: A failed prediction that cost nothing in the end differs from its quote by nobody's mistake.
PREDICTIONS_BILLED = "settled_at IS NOT NULL AND (status = 'completed' OR charged_micros <> 0)"
LEDGER_CHARGED = "kind <> 'hold' AND kind <> 'release'"

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: A folder, a file, a bucket prefix or a manifest that was named in a run.
sources = Table(
    "sources",
    metadata,
    Column("id", Id, primary_key=True),
    Column("uri", Uri, nullable=False, unique=True),
    Column("kind", by_value(SourceKind), nullable=False),
    Column("last_scan_at", UtcDateTime()),
    #: Why the last scan did not see everything; None if it did.
    Column("last_scan_problem", Text),
)

#: One place where a file was seen.
locations = Table(
    "locations",
    metadata,
    Column("id", Id, primary_key=True),
    Column("uri", Uri, nullable=False, unique=True),
    #: The source that first listed it as it is now.
    Column("source_id", ForeignKey("sources.id"), nullable=False),
    #: Path below that source, for people and globs.
    Column("name", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("etag", String(255)),
    Column("version", String(1024)),
    Column("storage_class", String(64)),
    #: The content that lies here; None until looked at, or when it cannot be read.
    Column("video_id", ForeignKey("videos.id"), index=True),
    #: What looking at it gave; None means it is to be looked at.
    Column("probe_status", by_value(ProbeStatus)),
    Column("problem", Text),
    #: Which run is looking at it; it means nothing once that run has ended.
    Column("claimed_by", String(36)),
    Column("first_seen", UtcDateTime(), nullable=False),
    Column("last_seen", UtcDateTime(), nullable=False),
    Column("missing_since", UtcDateTime()),
)

#: That a manifest names a location; folders and prefixes need no such list.
manifest_entries = Table(
    "manifest_entries",
    metadata,
    Column("source_id", ForeignKey("sources.id"), primary_key=True),
    Column("location_id", ForeignKey("locations.id"), primary_key=True, index=True),
)

_TYPES: dict[type, Any] = {
    int: Integer,
    bool: Boolean,
    dict: JSON,
    Decimal: Millionths,
    datetime: UtcDateTime,
}


def _measured_columns() -> list[Column[Any]]:
    return [
        Column(
            one.name,
            _type_of(one),
            nullable=one.nullable,
            index=one.measure.indexed,
        )
        for one in MEASURES
    ]


def _type_of(measured: Measured) -> Any:
    if issubclass(measured.kind, enum.StrEnum):
        return by_value(measured.kind)
    if measured.kind is str:
        most = measured.measure.most
        return Text() if most is None else String(most)
    return _TYPES[measured.kind]()


#: Content, wherever it lies. The same bytes twice are one video and are paid once.
videos = Table(
    "videos",
    metadata,
    Column("id", Id, primary_key=True),
    Column("content_id", String(64), nullable=False, unique=True),
    Column("size", BigInteger, nullable=False),
    *_measured_columns(),
    #: When it was taken as far as is known: recorded, or else the file's time. For sorting.
    Column("taken_at", UtcDateTime(), nullable=False, index=True),
    Column("added_at", UtcDateTime(), nullable=False),
)

#: One thing that should be known of a video.
analyses = Table(
    "analyses",
    metadata,
    Column("id", Id, primary_key=True),
    Column("video_id", ForeignKey("videos.id"), nullable=False),
    Column("model", String(128), nullable=False),
    Column("task", by_value(AnalysisType), nullable=False),
    #: Empty when none were given.
    Column("instructions", Text, nullable=False),
    Column("instructions_hash", String(64), nullable=False),
    #: The part of the video looked at.
    Column("window", String(32), nullable=False),
    Column("status", by_value(AnalysisStatus), nullable=False),
    #: Accepted attempts so far.
    Column("attempts", Integer, nullable=False),
    Column("text", Text),
    Column("raw", Text),
    #: What part of the video the answer is known to cover, for people.
    Column("coverage", String(128)),
    Column("error", Text),
    Column("completed_at", UtcDateTime()),
    Index(
        "uq_analyses_identity",
        "video_id",
        "model",
        "task",
        "instructions_hash",
        "window",
        unique=True,
    ),
)

#: One paid attempt at an analysis.
predictions = Table(
    "predictions",
    metadata,
    Column("id", Id, primary_key=True),
    #: The provider took it although another one of the same analysis is alive: it is collected and
    #: counted, and its answer is kept only where the other one gave none.
    Column("surplus", Boolean, nullable=False, default=False),
    #: Rides in the video URL that is sent, so that a lost answer can be matched.
    Column("token", String(64), nullable=False, unique=True),
    Column("analysis_id", ForeignKey("analyses.id"), nullable=False),
    #: Whose budget it counts against.
    Column("run_id", ForeignKey("runs.id"), nullable=False, index=True),
    #: Which run looks after it now.
    Column("owner_run_id", ForeignKey("runs.id"), nullable=False),
    #: Base URL of the API that it was sent to.
    Column("endpoint", String(255), nullable=False),
    Column("provider_id", String(128), unique=True),
    Column("status", by_value(PredictionStatus), nullable=False),
    Column("quoted_micros", BigInteger, nullable=False),
    Column("price_list", String(64), nullable=False),
    #: What it cost as far as is known, refunds taken off; None until it ended.
    Column("charged_micros", BigInteger),
    Column("budget_day", String(64), nullable=False),
    Column("budget_month", String(64), nullable=False),
    Column("held_at", UtcDateTime(), nullable=False),
    #: When the intent became durable, just before the POST.
    Column("submitted_at", UtcDateTime()),
    #: When its outcome became unknown: it cannot have been sent later than that.
    Column("uncertain_at", UtcDateTime()),
    Column("completed_at", UtcDateTime()),
    #: When the provider forgets it.
    Column("expires_at", UtcDateTime()),
    #: When the bill confirmed what it cost.
    Column("settled_at", UtcDateTime()),
    #: Since when the bill shows nothing at all when it is asked about this; None while it does.
    Column("bill_silent_since", UtcDateTime()),
    #: When a person took note of a bill that was higher than the quote.
    Column("drift_seen_at", UtcDateTime()),
    Column("error", Text),
    #: The provider's task code of a failure.
    Column("error_code", Integer),
    #: Whether a failure may pass by itself.
    Column("retryable", Boolean),
    Index("ix_predictions_analysis_id", "analysis_id"),
)

#: A change of committed money. Never updated, never deleted.
ledger_entries = Table(
    "ledger_entries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("prediction_id", ForeignKey("predictions.id"), nullable=False, index=True),
    Column("kind", by_value(LedgerKind), nullable=False),
    Column("amount_micros", BigInteger, nullable=False),
    Column("at", UtcDateTime(), nullable=False),
    Column("price_list", String(64), nullable=False),
)

#: A line of the bill that cannot be counted; it stops paid runs until a person took note.
unclear_bill_lines = Table(
    "unclear_bill_lines",
    metadata,
    Column("id", Id, primary_key=True),
    Column("endpoint", String(255), nullable=False),
    #: The line's id at the provider.
    Column("line", String(128), nullable=False),
    #: The prediction that it names; empty if it names none.
    Column("provider_id", String(128), nullable=False),
    Column("reason", Text, nullable=False),
    Column("found_at", UtcDateTime(), nullable=False),
    #: When a person took note of it.
    Column("seen_at", UtcDateTime()),
    Index("uq_unclear_bill_lines_line", "endpoint", "line", "provider_id", unique=True),
)

#: A limit over a scope, and what is committed under it.
#:
#: `day` and `month` alone are the standing limits that a new day or month starts with.
budgets = Table(
    "budgets",
    metadata,
    Column("scope", String(64), primary_key=True),
    Column("limit_micros", BigInteger),
    Column("committed_micros", BigInteger, nullable=False),
)

#: One execution.
runs = Table(
    "runs",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("command", String(32), nullable=False),
    Column("parameters", JSON, nullable=False),
    Column("flow_run_id", String(36)),
    #: Where it lives, so that another process can tell that it is dead.
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("process_started_at", Millionths(), nullable=False),
    Column("heartbeat_at", UtcDateTime(), nullable=False),
    Column("started_at", UtcDateTime(), nullable=False),
    Column("finished_at", UtcDateTime()),
    Column("outcome", by_value(RunStatus)),
    Column("counts", JSON),
)

#: Where an uploaded video can be read by the provider, until it expires.
uploads = Table(
    "uploads",
    metadata,
    Column("video_id", ForeignKey("videos.id"), primary_key=True),
    Column("endpoint", String(255), primary_key=True),
    #: Only ever a URL without a signature.
    Column("download_url", Text, nullable=False),
    Column("expires_at", UtcDateTime(), nullable=False),
)

#: How many predictions were started at an endpoint lately, by all workers.
account_starts = Table(
    "account_starts",
    metadata,
    Column("endpoint", String(255), primary_key=True),
    #: Milliseconds since the epoch.
    Column("at_ms", BigInteger, primary_key=True),
    Column("starts", Integer, nullable=False),
)

#: A prediction at the provider that carries a token like ours, and that no row here is for.
#:
#: Another catalog bought it: one that uses the account, too, or this one after its backup.
unclaimed_predictions = Table(
    "unclaimed_predictions",
    metadata,
    Column("endpoint", String(255), primary_key=True),
    Column("provider_id", String(128), primary_key=True),
    Column("token", String(64), nullable=False),
    #: Which analysis it is of (`catalog.matching.identity_digest`).
    Column("digest", String(32), nullable=False),
    #: When the provider says that it began; the provider forgets it after seven days.
    Column("created_at", UtcDateTime(), nullable=False),
)

#: What full-text search reads of a video: its names, tags and answers.
search_documents = Table(
    "search_documents",
    metadata,
    Column("video_id", Id, ForeignKey("videos.id"), primary_key=True, autoincrement=False),
    Column("body", Text, nullable=False),
)


def _is_any(column: ColumnElement[Any], *values: str) -> ColumnElement[bool]:
    return or_(*(column == literal_column(f"'{value}'") for value in values))


# Conditions in the words of their indexes: SQLite uses these only where a query repeats them.

#: A prediction that is unfinished.
UNFINISHED = _is_any(predictions.c.status, "held", "submitting", "uncertain", "running")
#: A prediction that ended and waits for the bill.
UNSETTLED = and_(
    predictions.c.settled_at.is_(None),
    _is_any(predictions.c.status, "completed", "failed", "expired"),
)
