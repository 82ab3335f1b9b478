"""The tables of `catalog.tables` as classes, for what is changed through a session, and indexes.

The attributes are the columns of the tables, which say what they mean. Only `catalog` imports these
classes.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Column, Index, text
from sqlalchemy.orm import DeclarativeBase, Mapped

from catalog import tables
from catalog.values import (
    AnalysisStatus,
    AnalysisType,
    LedgerKind,
    PredictionStatus,
    ProbeStatus,
    RunStatus,
    SourceKind,
)


class Base(DeclarativeBase):
    """Every table of the catalog."""

    metadata = tables.metadata


class Source(Base):
    """A folder, a file, a bucket prefix or a manifest that was named in a run."""

    __table__ = tables.sources

    id: Mapped[int]
    uri: Mapped[str]
    kind: Mapped[SourceKind]
    last_scan_at: Mapped[datetime | None]
    last_scan_problem: Mapped[str | None]


class Location(Base):
    """One place where a file was seen."""

    __table__ = tables.locations

    id: Mapped[int]
    uri: Mapped[str]
    source_id: Mapped[int]
    name: Mapped[str]
    size: Mapped[int]
    mtime_ns: Mapped[int]
    etag: Mapped[str | None]
    version: Mapped[str | None]
    storage_class: Mapped[str | None]
    video_id: Mapped[int | None]
    probe_status: Mapped[ProbeStatus | None]
    problem: Mapped[str | None]
    claimed_by: Mapped[str | None]
    first_seen: Mapped[datetime]
    last_seen: Mapped[datetime]
    missing_since: Mapped[datetime | None]


class ManifestEntry(Base):
    """That a manifest names a location; folders and prefixes need no such list."""

    __table__ = tables.manifest_entries

    source_id: Mapped[int]
    location_id: Mapped[int]


class Video(Base):
    """Content, wherever it lies. The same bytes twice are one video and are paid once."""

    __table__ = tables.videos

    id: Mapped[int]
    content_id: Mapped[str]
    size: Mapped[int]
    # Of what is measured, the columns that code names.
    probe_status: Mapped[ProbeStatus]
    probe_error: Mapped[str | None]
    duration_seconds: Mapped[Decimal | None]
    taken_at: Mapped[datetime]
    added_at: Mapped[datetime]


class Analysis(Base):
    """One thing that should be known of a video."""

    __table__ = tables.analyses

    id: Mapped[int]
    video_id: Mapped[int]
    model: Mapped[str]
    task: Mapped[AnalysisType]
    instructions: Mapped[str]
    instructions_hash: Mapped[str]
    window: Mapped[str]
    status: Mapped[AnalysisStatus]
    attempts: Mapped[int]
    text: Mapped[str | None]
    raw: Mapped[str | None]
    coverage: Mapped[str | None]
    error: Mapped[str | None]
    completed_at: Mapped[datetime | None]


class Prediction(Base):
    """One paid attempt at an analysis."""

    __table__ = tables.predictions

    id: Mapped[int]
    surplus: Mapped[bool]
    token: Mapped[str]
    analysis_id: Mapped[int]
    run_id: Mapped[str]
    owner_run_id: Mapped[str]
    endpoint: Mapped[str]
    provider_id: Mapped[str | None]
    status: Mapped[PredictionStatus]
    quoted_micros: Mapped[int]
    price_list: Mapped[str]
    charged_micros: Mapped[int | None]
    budget_day: Mapped[str]
    budget_month: Mapped[str]
    held_at: Mapped[datetime]
    submitted_at: Mapped[datetime | None]
    uncertain_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    bill_silent_since: Mapped[datetime | None]
    drift_seen_at: Mapped[datetime | None]
    error: Mapped[str | None]
    error_code: Mapped[int | None]
    retryable: Mapped[bool | None]


class LedgerEntry(Base):
    """A change of committed money. Never updated, never deleted."""

    __table__ = tables.ledger_entries

    id: Mapped[int]
    prediction_id: Mapped[int]
    kind: Mapped[LedgerKind]
    amount_micros: Mapped[int]
    at: Mapped[datetime]
    price_list: Mapped[str]


class UnclearBillLine(Base):
    """A line of the bill that cannot be counted; it stops paid runs until a person took note."""

    __table__ = tables.unclear_bill_lines

    id: Mapped[int]
    endpoint: Mapped[str]
    line: Mapped[str]
    provider_id: Mapped[str]
    reason: Mapped[str]
    found_at: Mapped[datetime]
    seen_at: Mapped[datetime | None]


class Budget(Base):
    """A limit over a scope, and what is committed under it.

    `day` and `month` alone are the standing limits that a new day or month starts with.
    """

    __table__ = tables.budgets

    scope: Mapped[str]
    limit_micros: Mapped[int | None]
    committed_micros: Mapped[int]


class Run(Base):
    """One execution."""

    __table__ = tables.runs

    id: Mapped[str]
    command: Mapped[str]
    parameters: Mapped[dict[str, Any]]
    flow_run_id: Mapped[str | None]
    host: Mapped[str]
    pid: Mapped[int]
    process_started_at: Mapped[Decimal]
    heartbeat_at: Mapped[datetime]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    outcome: Mapped[RunStatus | None]
    counts: Mapped[dict[str, Any] | None]


class Upload(Base):
    """Where an uploaded video can be read by the provider, until it expires."""

    __table__ = tables.uploads

    video_id: Mapped[int]
    endpoint: Mapped[str]
    download_url: Mapped[str]
    expires_at: Mapped[datetime]


class AccountStart(Base):
    """How many predictions were started at an endpoint lately, by all workers."""

    __table__ = tables.account_starts

    endpoint: Mapped[str]
    at_ms: Mapped[int]
    starts: Mapped[int]


class UnclaimedPrediction(Base):
    """A prediction at the provider that carries a token like ours, and that no row here is for.

    Another catalog bought it: one that uses the account, too, or this one after its backup.
    """

    __table__ = tables.unclaimed_predictions

    endpoint: Mapped[str]
    provider_id: Mapped[str]
    token: Mapped[str]
    digest: Mapped[str]
    created_at: Mapped[datetime]


class SearchDocument(Base):
    """What full-text search reads of a video: its names, tags and answers."""

    __table__ = tables.search_documents

    video_id: Mapped[int]
    body: Mapped[str]


def _partial(name: str, *columns: Column[Any], where: str, unique: bool = False) -> None:
    """Index the rows of a table that meet a condition."""
    condition = text(where)
    Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


# They are declared here, for a condition imports the dialects of both databases.
_partial("ix_locations_unlooked", tables.locations.c.uri, where=tables.LOCATIONS_UNLOOKED)
_partial(
    "ix_locations_unseen",
    tables.locations.c.missing_since,
    tables.locations.c.probe_status,
    tables.locations.c.video_id,
    where=tables.LOCATIONS_UNSEEN,
)
_partial("ix_videos_unusable", tables.videos.c.probe_status, where=tables.VIDEOS_UNUSABLE)
_partial("ix_analyses_left", tables.analyses.c.status, where=tables.ANALYSES_LEFT)
_partial(
    "uq_predictions_live",
    tables.predictions.c.analysis_id,
    where=tables.PREDICTIONS_LIVE,
    unique=True,
)
_partial(
    "ix_predictions_unfinished",
    tables.predictions.c.status,
    tables.predictions.c.endpoint,
    where=tables.PREDICTIONS_UNFINISHED,
)
_partial(
    "ix_predictions_unsettled", tables.predictions.c.status, where=tables.PREDICTIONS_UNSETTLED
)
_partial(
    "ix_predictions_fruitless", tables.predictions.c.status, where=tables.PREDICTIONS_FRUITLESS
)
_partial(
    "ix_predictions_billed",
    tables.predictions.c.status,
    tables.predictions.c.settled_at,
    tables.predictions.c.quoted_micros,
    tables.predictions.c.charged_micros,
    where=tables.PREDICTIONS_BILLED,
)
_partial(
    "ix_ledger_entries_charged",
    tables.ledger_entries.c.kind,
    tables.ledger_entries.c.amount_micros,
    where=tables.LEDGER_CHARGED,
)
