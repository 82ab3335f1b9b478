"""The catalog's tables and column types; `migrations/` makes databases agree with them.

Money columns are micro-dollars, times are UTC, and values that databases spell differently are kept
exactly. Only `catalog` imports these classes.
"""

from __future__ import annotations

import enum
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    DateTime,
    Dialect,
    Enum,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    and_,
    literal_column,
    or_,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from catalog.values import (
    AnalysisStatus,
    AnalysisType,
    DurationSource,
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
_UNFINISHED = (
    "status = 'held' OR status = 'submitting' OR status = 'uncertain' OR status = 'running'"
)
#: `catalog.lifecycle.LIVE` as SQL, for the index that makes a second live prediction impossible.
#: What was bought besides, and is only counted, does not stand in its way.
_LIVE = text(f"NOT surplus AND ({_UNFINISHED} OR status = 'completed')")
_UNSETTLED = text(
    "settled_at IS NULL AND (status = 'completed' OR status = 'failed' OR status = 'expired')"
)


class Base(DeclarativeBase):
    """Every table of the catalog."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime(),
        Decimal: Millionths(),
        AnalysisStatus: by_value(AnalysisStatus),
        DurationSource: by_value(DurationSource),
        LedgerKind: by_value(LedgerKind),
        PredictionStatus: by_value(PredictionStatus),
        ProbeStatus: by_value(ProbeStatus),
        RunStatus: by_value(RunStatus),
        SourceKind: by_value(SourceKind),
        AnalysisType: by_value(AnalysisType),
    }


class Source(Base):
    """A folder, a file, a bucket prefix or a manifest that was named in a run."""

    __tablename__ = "sources"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    uri: Mapped[str] = mapped_column(Uri, unique=True)
    kind: Mapped[SourceKind]
    last_scan_at: Mapped[datetime | None]
    #: Why the last scan did not see everything; None if it did.
    last_scan_problem: Mapped[str | None] = mapped_column(Text)


class Location(Base):
    """One place where a file was seen."""

    __tablename__ = "locations"
    __table_args__ = (
        Index(
            "ix_locations_unlooked",
            "uri",
            sqlite_where=text("probe_status IS NULL"),
            postgresql_where=text("probe_status IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    uri: Mapped[str] = mapped_column(Uri, unique=True)
    #: The source that first listed it as it is now.
    source_id: Mapped[int] = mapped_column(ForeignKey("sources.id"))
    #: Path below that source, for people and globs.
    name: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = mapped_column(BigInteger)
    mtime_ns: Mapped[int] = mapped_column(BigInteger)
    etag: Mapped[str | None] = mapped_column(String(255))
    version: Mapped[str | None] = mapped_column(String(1024))
    storage_class: Mapped[str | None] = mapped_column(String(64))
    #: The content that lies here; None until looked at, or when it cannot be read.
    video_id: Mapped[int | None] = mapped_column(ForeignKey("videos.id"), index=True)
    #: What looking at it gave; None means it is to be looked at.
    probe_status: Mapped[ProbeStatus | None]
    problem: Mapped[str | None] = mapped_column(Text)
    #: Which run is looking at it; it means nothing once that run has ended.
    claimed_by: Mapped[str | None] = mapped_column(String(36))
    first_seen: Mapped[datetime]
    last_seen: Mapped[datetime]
    missing_since: Mapped[datetime | None]


class ManifestEntry(Base):
    """That a manifest names a location; folders and prefixes need no such list."""

    __tablename__ = "manifest_entries"

    source_id: Mapped[int] = mapped_column(ForeignKey("sources.id"), primary_key=True)
    location_id: Mapped[int] = mapped_column(
        ForeignKey("locations.id"), primary_key=True, index=True
    )


class Video(Base):
    """Content, wherever it lies. The same bytes twice are one video and are paid once."""

    __tablename__ = "videos"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    content_id: Mapped[str] = mapped_column(String(64), unique=True)
    size: Mapped[int] = mapped_column(BigInteger)
    probe_status: Mapped[ProbeStatus]
    probe_error: Mapped[str | None] = mapped_column(Text)
    probe_engine: Mapped[str] = mapped_column(String(128))
    container: Mapped[str | None] = mapped_column(String(64))
    duration_seconds: Mapped[Decimal | None] = mapped_column(index=True)
    duration_source: Mapped[DurationSource]
    video_codec: Mapped[str | None] = mapped_column(String(64))
    audio_codec: Mapped[str | None] = mapped_column(String(64))
    width: Mapped[int | None]
    height: Mapped[int | None]
    rotation: Mapped[int | None]
    fps: Mapped[Decimal | None]
    has_audio: Mapped[bool | None]
    recorded_at: Mapped[datetime | None]
    tags: Mapped[dict[str, str]] = mapped_column(JSON)
    #: When it was taken as far as is known: recorded, or else the file's time. For sorting.
    taken_at: Mapped[datetime] = mapped_column(index=True)
    added_at: Mapped[datetime]


class Analysis(Base):
    """One thing that should be known of a video."""

    __tablename__ = "analyses"
    __table_args__ = (
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

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    video_id: Mapped[int] = mapped_column(ForeignKey("videos.id"))
    model: Mapped[str] = mapped_column(String(128))
    task: Mapped[AnalysisType]
    #: Empty when none were given.
    instructions: Mapped[str] = mapped_column(Text)
    instructions_hash: Mapped[str] = mapped_column(String(64))
    #: The part of the video looked at.
    window: Mapped[str] = mapped_column(String(32))
    status: Mapped[AnalysisStatus]
    #: Accepted attempts so far.
    attempts: Mapped[int]
    text: Mapped[str | None] = mapped_column(Text)
    raw: Mapped[str | None] = mapped_column(Text)
    #: What part of the video the answer is known to cover, for people.
    coverage: Mapped[str | None] = mapped_column(String(128))
    error: Mapped[str | None] = mapped_column(Text)
    completed_at: Mapped[datetime | None]


class Prediction(Base):
    """One paid attempt at an analysis."""

    __tablename__ = "predictions"
    __table_args__ = (
        Index(
            "uq_predictions_live",
            "analysis_id",
            unique=True,
            sqlite_where=_LIVE,
            postgresql_where=_LIVE,
        ),
        Index(
            "ix_predictions_unfinished",
            "status",
            "endpoint",
            sqlite_where=text(_UNFINISHED),
            postgresql_where=text(_UNFINISHED),
        ),
        Index(
            "ix_predictions_unsettled",
            "status",
            sqlite_where=_UNSETTLED,
            postgresql_where=_UNSETTLED,
        ),
        Index("ix_predictions_analysis_id", "analysis_id"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    #: The provider took it although another one of the same analysis is alive: it is collected and
    #: counted, and its answer is kept only where the other one gave none.
    surplus: Mapped[bool] = mapped_column(default=False)
    #: Rides in the video URL that is sent, so that a lost answer can be matched.
    token: Mapped[str] = mapped_column(String(64), unique=True)
    analysis_id: Mapped[int] = mapped_column(ForeignKey("analyses.id"))
    #: Whose budget it counts against.
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), index=True)
    #: Which run looks after it now.
    owner_run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"))
    #: Base URL of the API that it was sent to.
    endpoint: Mapped[str] = mapped_column(String(255))
    provider_id: Mapped[str | None] = mapped_column(String(128), unique=True)
    status: Mapped[PredictionStatus]
    quoted_micros: Mapped[int] = mapped_column(BigInteger)
    price_list: Mapped[str] = mapped_column(String(64))
    #: What it cost as far as is known, refunds taken off; None until it ended.
    charged_micros: Mapped[int | None] = mapped_column(BigInteger)
    budget_day: Mapped[str] = mapped_column(String(64))
    budget_month: Mapped[str] = mapped_column(String(64))
    held_at: Mapped[datetime]
    #: When the intent became durable, just before the POST.
    submitted_at: Mapped[datetime | None]
    #: When its outcome became unknown: it cannot have been sent later than that.
    uncertain_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    #: When the provider forgets it.
    expires_at: Mapped[datetime | None]
    #: When the bill confirmed what it cost.
    settled_at: Mapped[datetime | None]
    #: Since when the bill shows nothing at all when it is asked about this; None while it does.
    bill_silent_since: Mapped[datetime | None]
    #: When a person took note of a bill that was higher than the quote.
    drift_seen_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(Text)
    #: The provider's task code of a failure.
    error_code: Mapped[int | None]
    #: Whether a failure may pass by itself.
    retryable: Mapped[bool | None]


def _is_any(*statuses: str) -> ColumnElement[bool]:
    return or_(*(Prediction.status == literal_column(f"'{status}'") for status in statuses))


#: What is unfinished, and what waits for the bill, in the words of their indexes: SQLite uses these
#: only where a query repeats them.
UNFINISHED = _is_any("held", "submitting", "uncertain", "running")
UNSETTLED = and_(Prediction.settled_at.is_(None), _is_any("completed", "failed", "expired"))


class LedgerEntry(Base):
    """A change of committed money. Never updated, never deleted."""

    __tablename__ = "ledger_entries"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    prediction_id: Mapped[int] = mapped_column(ForeignKey("predictions.id"), index=True)
    kind: Mapped[LedgerKind]
    amount_micros: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime]
    price_list: Mapped[str] = mapped_column(String(64))


class UnclearBillLine(Base):
    """A line of the bill that cannot be counted; it stops paid runs until a person took note."""

    __tablename__ = "unclear_bill_lines"
    __table_args__ = (
        Index("uq_unclear_bill_lines_line", "endpoint", "line", "provider_id", unique=True),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    endpoint: Mapped[str] = mapped_column(String(255))
    #: The line's id at the provider.
    line: Mapped[str] = mapped_column(String(128))
    #: The prediction that it names; empty if it names none.
    provider_id: Mapped[str] = mapped_column(String(128))
    reason: Mapped[str] = mapped_column(Text)
    found_at: Mapped[datetime]
    #: When a person took note of it.
    seen_at: Mapped[datetime | None]


class Budget(Base):
    """A limit over a scope, and what is committed under it.

    `day` and `month` alone are the standing limits that a new day or month starts with.
    """

    __tablename__ = "budgets"

    scope: Mapped[str] = mapped_column(String(64), primary_key=True)
    limit_micros: Mapped[int | None] = mapped_column(BigInteger)
    committed_micros: Mapped[int] = mapped_column(BigInteger)


class Run(Base):
    """One execution."""

    __tablename__ = "runs"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    command: Mapped[str] = mapped_column(String(32))
    parameters: Mapped[dict[str, Any]] = mapped_column(JSON)
    flow_run_id: Mapped[str | None] = mapped_column(String(36))
    #: Where it lives, so that another process can tell that it is dead.
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int]
    process_started_at: Mapped[Decimal]
    heartbeat_at: Mapped[datetime]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    outcome: Mapped[RunStatus | None]
    counts: Mapped[dict[str, Any] | None] = mapped_column(JSON)


class Upload(Base):
    """Where an uploaded video can be read by the provider, until it expires."""

    __tablename__ = "uploads"

    video_id: Mapped[int] = mapped_column(ForeignKey("videos.id"), primary_key=True)
    endpoint: Mapped[str] = mapped_column(String(255), primary_key=True)
    #: Only ever a URL without a signature.
    download_url: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[datetime]


class AccountStart(Base):
    """How many predictions were started at an endpoint lately, by all workers."""

    __tablename__ = "account_starts"

    endpoint: Mapped[str] = mapped_column(String(255), primary_key=True)
    #: Milliseconds since the epoch.
    at_ms: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    starts: Mapped[int]


class UnclaimedPrediction(Base):
    """A prediction at the provider that carries a token like ours, and that no row here is for.

    Another catalog bought it: one that uses the account, too, or this one after its backup.
    """

    __tablename__ = "unclaimed_predictions"

    endpoint: Mapped[str] = mapped_column(String(255), primary_key=True)
    provider_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    token: Mapped[str] = mapped_column(String(64))
    #: Which analysis it is of (`catalog.matching.identity_digest`).
    digest: Mapped[str] = mapped_column(String(32))
    #: When the provider says that it began; the provider forgets it after seven days.
    created_at: Mapped[datetime]


class SearchDocument(Base):
    """What full-text search reads of a video: its names, tags and answers."""

    __tablename__ = "search_documents"

    video_id: Mapped[int] = mapped_column(
        Id, ForeignKey("videos.id"), primary_key=True, autoincrement=False
    )
    body: Mapped[str] = mapped_column(Text)
