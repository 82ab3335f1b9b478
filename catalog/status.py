"""The state of the catalog in numbers: what there is, what is out, and what it cost. Reads only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Column, Connection, Table, func, literal, or_, select, text

from catalog.budget_limits import DAY, MONTH, BudgetUsage, scopes_at
from catalog.money import dollars
from catalog.tables import (
    ANALYSES_LEFT,
    LOCATIONS_UNSEEN,
    PREDICTIONS_FRUITLESS,
    PREDICTIONS_UNFINISHED,
    UNFINISHED,
    VIDEOS_UNUSABLE,
    analyses,
    budgets,
    locations,
    predictions,
    runs,
    videos,
)
from catalog.totals import Comparison, ShownLine, Totals, compare, shown_lines, totals
from catalog.values import AnalysisStatus, AnalysisType, PredictionStatus, ProbeStatus, RunStatus

#: How many single things a report names before it only counts them.
NAMED = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """Locations, counted."""

    total: int
    missing: int
    #: Listed and not looked at yet.
    unlooked: int
    #: Looked at, and their bytes could not be read, so that there is no video to speak of.
    unread: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Out:
    """A prediction that is not finished."""

    #: Its number in this catalog, as `reelcat reconcile --assume-lost` takes it.
    prediction_id: int
    provider_id: str | None
    content_id: str
    #: Where the video was last seen; None if nowhere.
    name: str | None
    task: AnalysisType
    quoted_micros: int
    #: When its POST was sent, or else when its money was set aside.
    since: datetime
    #: When the provider forgets it; None unless it is known to run.
    expires_at: datetime | None
    reason: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PastRun:
    """One execution."""

    run_id: str
    command: str
    started_at: datetime
    finished_at: datetime | None
    outcome: RunStatus | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """Everything that `reelcat status` shows."""

    videos: dict[ProbeStatus, int]
    places: Places
    analyses: dict[AnalysisStatus, int]
    predictions: dict[PredictionStatus, int]
    budgets: tuple[BudgetUsage, ...]
    money: Totals
    bill: Comparison
    #: Lines of the bill that cannot be counted, at most `NAMED`.
    unclear: tuple[ShownLine, ...]
    #: Submissions of unknown outcome, oldest first, at most `NAMED`; all are in `predictions`.
    uncertain: tuple[Out, ...]
    #: The accepted prediction that the provider forgets first.
    first_to_expire: Out | None
    runs: tuple[PastRun, ...]


def report(connection: Connection, *, now: datetime, zone: ZoneInfo) -> Report:
    """Look at the whole catalog: a fixed number of queries, each along an index."""
    running = _out(connection, PredictionStatus.RUNNING, limit=1)
    rows = _rows(connection, videos, locations, analyses, predictions)
    return Report(
        videos=_videos(connection, rows["videos"]),
        places=_places(connection, rows["locations"]),
        analyses=_analyses(connection, rows["analyses"]),
        predictions=_predictions(connection, rows["predictions"]),
        budgets=tuple(budgets_now(connection, now=now, zone=zone)),
        money=totals(connection),
        bill=compare(connection, limit=NAMED),
        unclear=tuple(shown_lines(connection, limit=NAMED)),
        uncertain=tuple(_out(connection, PredictionStatus.UNCERTAIN, limit=NAMED)),
        first_to_expire=running[0] if running else None,
        runs=tuple(_recent(connection, limit=5)),
    )


def _rows(connection: Connection, *tables: Table) -> dict[str, int]:
    """Count the rows of each table, by its name."""
    counts = (select(func.count()).select_from(one).scalar_subquery() for one in tables)
    found = connection.execute(select(*counts)).one()
    return {table.name: count for table, count in zip(tables, found, strict=True)}


def _counts(connection: Connection, column: Column[Any], condition: str) -> dict[Any, int]:
    """Count the rows of the column's table that meet a condition of `catalog.tables`, by value."""
    query = select(column, func.count()).where(text(condition)).group_by(column)
    return {row[0]: row[1] for row in connection.execute(query)}


def _videos(connection: Connection, total: int) -> dict[ProbeStatus, int]:
    """Count the videos by what probing found; what was never found is left out."""
    counts = _counts(connection, videos.c.probe_status, VIDEOS_UNUSABLE)
    counts[ProbeStatus.OK] = total - sum(counts.values())
    return {status: counts[status] for status in ProbeStatus if counts.get(status)}


def _places(connection: Connection, total: int) -> Places:
    missing = locations.c.missing_since.is_not(None).label("missing")
    unlooked = locations.c.probe_status.is_(None).label("unlooked")
    rows = connection.execute(
        select(missing, unlooked, func.count())
        .where(text(LOCATIONS_UNSEEN))
        .group_by(missing, unlooked)
    )
    counts = {(bool(row[0]), bool(row[1])): row[2] for row in rows}
    return Places(
        total=total,
        missing=counts.get((True, True), 0) + counts.get((True, False), 0),
        unlooked=counts.get((False, True), 0),
        unread=counts.get((False, False), 0),
    )


def _analyses(connection: Connection, total: int) -> dict[AnalysisStatus, int]:
    counts = _counts(connection, analyses.c.status, ANALYSES_LEFT)
    counts[AnalysisStatus.COMPLETED] = total - sum(counts.values())
    return {status: counts.get(status, 0) for status in AnalysisStatus}


def _predictions(connection: Connection, total: int) -> dict[PredictionStatus, int]:
    counts = _counts(connection, predictions.c.status, PREDICTIONS_UNFINISHED)
    counts |= _counts(connection, predictions.c.status, PREDICTIONS_FRUITLESS)
    counts[PredictionStatus.COMPLETED] = total - sum(counts.values())
    return {status: counts.get(status, 0) for status in PredictionStatus}


def budgets_now(connection: Connection, *, now: datetime, zone: ZoneInfo) -> list[BudgetUsage]:
    """Give the budgets of this day, this month and the runs that are not over.

    A day or a month in which nothing was held yet stands at nothing, under its standing limit.
    """
    scopes = scopes_at(now, run_id="", zone=zone)
    of_runs = select(literal("run:") + runs.c.id).where(runs.c.finished_at.is_(None))
    rows = connection.execute(
        select(budgets).where(
            or_(
                budgets.c.scope.in_([DAY, MONTH, scopes.day, scopes.month]),
                budgets.c.scope.in_(of_runs),
            )
        )
    )
    found = {row.scope: BudgetUsage(**row._asdict()) for row in rows}
    for scope, standing_scope in ((scopes.day, DAY), (scopes.month, MONTH)):
        usage = found.pop(standing_scope, None)
        if scope not in found:
            limit = None if usage is None else usage.limit_micros
            found[scope] = BudgetUsage(scope=scope, limit_micros=limit, committed_micros=0)
    return [found[scope] for scope in sorted(found)]


def _out(connection: Connection, status: PredictionStatus, *, limit: int) -> list[Out]:
    """Name what is out, by the index of what is unfinished."""
    name = (
        select(func.min(locations.c.name))
        .where(locations.c.video_id == videos.c.id)
        .scalar_subquery()
    )
    rows = connection.execute(
        select(
            predictions.c.id.label("prediction_id"),
            predictions.c.provider_id,
            videos.c.content_id,
            name.label("name"),
            analyses.c.task,
            predictions.c.quoted_micros,
            func.coalesce(predictions.c.submitted_at, predictions.c.held_at).label("since"),
            predictions.c.expires_at,
            predictions.c.error.label("reason"),
        )
        .join(analyses, analyses.c.id == predictions.c.analysis_id)
        .join(videos, videos.c.id == analyses.c.video_id)
        .where(UNFINISHED, predictions.c.status == status)
        .order_by(predictions.c.expires_at, predictions.c.id)
        .limit(limit)
    )
    return [Out(**row._asdict()) for row in rows]


def _recent(connection: Connection, *, limit: int) -> list[PastRun]:
    """Give the latest runs, newest first."""
    rows = connection.execute(
        select(
            runs.c.id.label("run_id"),
            runs.c.command,
            runs.c.started_at,
            runs.c.finished_at,
            runs.c.outcome,
        )
        .order_by(runs.c.started_at.desc())
        .limit(limit)
    )
    return [PastRun(**row._asdict()) for row in rows]


def as_json(found: Report) -> dict[str, Any]:
    """Give a report as one object: decimal strings for money, ISO 8601 for times."""
    return {
        "videos": {
            "total": sum(found.videos.values()),
            **{status.value: count for status, count in found.videos.items()},
        },
        "locations": {
            "total": found.places.total,
            "missing": found.places.missing,
            "unlooked": found.places.unlooked,
            "unread": found.places.unread,
        },
        "analyses": {status.value: count for status, count in found.analyses.items()},
        "predictions": {status.value: count for status, count in found.predictions.items()},
        "budgets": budgets_as_json(found.budgets),
        "money": {
            "held_usd": str(dollars(found.money.held)),
            "charged_usd": str(dollars(found.money.charged)),
            "refunded_usd": str(dollars(found.money.refunded)),
        },
        "bill": _bill_as_json(found.bill),
        "unclear_lines": [
            {
                "line": one.line,
                "prediction_id": one.provider_id,
                "reason": one.reason,
                "acknowledged": one.seen,
            }
            for one in found.unclear
        ],
        "uncertain": [_out_as_json(one) for one in found.uncertain],
        "first_to_expire": found.first_to_expire and _out_as_json(found.first_to_expire),
        "runs": [
            {
                "run_id": one.run_id,
                "command": one.command,
                "started_at": one.started_at.isoformat(),
                "finished_at": one.finished_at and one.finished_at.isoformat(),
                "status": one.outcome and one.outcome.value,
            }
            for one in found.runs
        ],
    }


def budgets_as_json(usages: Iterable[BudgetUsage]) -> list[dict[str, str | None]]:
    """Give budgets as `status` and `budget` print them."""
    return [
        {
            "scope": one.scope,
            "limit_usd": None if one.limit_micros is None else str(dollars(one.limit_micros)),
            "committed_usd": str(dollars(one.committed_micros)),
        }
        for one in usages
    ]


def _bill_as_json(bill: Comparison) -> dict[str, Any]:
    return {
        "settled": bill.settled,
        "quoted_usd": str(dollars(bill.quoted)),
        "charged_usd": str(dollars(bill.charged)),
        "drift_usd": str(dollars(bill.drift)),
        "differences": [
            {
                "number": one.prediction_id,
                "prediction_id": one.provider_id,
                "quoted_usd": str(dollars(one.quoted)),
                "charged_usd": str(dollars(one.charged)),
                "acknowledged": one.seen,
            }
            for one in bill.differences
        ],
    }


def _out_as_json(one: Out) -> dict[str, Any]:
    return {
        "number": one.prediction_id,
        "prediction_id": one.provider_id,
        "content_id": one.content_id,
        "name": one.name,
        "task": one.task.value,
        "quoted_usd": str(dollars(one.quoted_micros)),
        "since": one.since.isoformat(),
        "expires_at": one.expires_at and one.expires_at.isoformat(),
        "reason": one.reason,
    }
