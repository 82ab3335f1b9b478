"""The state of the catalog in numbers: what there is, what is out, and what it cost. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from catalog.budget_limits import DAY, MONTH, BudgetUsage, scopes_at
from catalog.money import dollars
from catalog.snapshot import Row, Snapshot, moment
from catalog.totals import (
    Comparison,
    ShownLine,
    Totals,
    compare_by,
    shown_lines,
    tallies,
    totals_of,
)
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


def report(snapshot: Snapshot, *, now: datetime, zone: ZoneInfo) -> Report:
    """Look at the whole catalog. Eight queries, whatever its size."""
    running = _out(snapshot, PredictionStatus.RUNNING, limit=1)
    counts = tallies(snapshot)
    return Report(
        videos={
            status: counts[f"videos.{status}"]
            for status in ProbeStatus
            if counts.get(f"videos.{status}")
        },
        places=_places(counts),
        analyses={status: counts.get(f"analyses.{status}", 0) for status in AnalysisStatus},
        predictions={status: counts.get(f"predictions.{status}", 0) for status in PredictionStatus},
        budgets=tuple(budgets_now(snapshot, now=now, zone=zone)),
        money=totals_of(counts),
        bill=compare_by(counts, snapshot, limit=NAMED),
        unclear=tuple(shown_lines(snapshot, limit=NAMED)),
        uncertain=tuple(_out(snapshot, PredictionStatus.UNCERTAIN, limit=NAMED)),
        first_to_expire=running[0] if running else None,
        runs=tuple(_recent(snapshot, limit=5)),
    )


def _places(counts: Mapping[str, int]) -> Places:
    kinds = ("missing", "unlooked", "unread", "read")
    missing, unlooked, unread, read = (counts.get(f"locations.{kind}", 0) for kind in kinds)
    return Places(
        total=missing + unlooked + unread + read, missing=missing, unlooked=unlooked, unread=unread
    )


def budgets_now(snapshot: Snapshot, *, now: datetime, zone: ZoneInfo) -> list[BudgetUsage]:
    """Give the budgets of this day, this month and the runs that are not over.

    A day or a month in which nothing was held yet stands at nothing, under its standing limit.
    """
    scopes = scopes_at(now, run_id="", zone=zone)
    rows = snapshot.rows(
        """
        SELECT scope, limit_micros, committed_micros FROM budgets
        WHERE scope IN (:scopes)
            OR scope IN (SELECT 'run:' || id FROM runs WHERE finished_at IS NULL)
        """,
        scopes=[DAY, MONTH, scopes.day, scopes.month],
    )
    found = {row["scope"]: BudgetUsage(**row) for row in rows}
    for scope, standing_scope in ((scopes.day, DAY), (scopes.month, MONTH)):
        usage = found.pop(standing_scope, None)
        if scope not in found:
            limit = None if usage is None else usage.limit_micros
            found[scope] = BudgetUsage(scope=scope, limit_micros=limit, committed_micros=0)
    return [found[scope] for scope in sorted(found)]


def _out(snapshot: Snapshot, status: PredictionStatus, *, limit: int) -> list[Out]:
    """Name what is out, by the index of what is unfinished."""
    rows = snapshot.rows(
        f"""
        SELECT predictions.id AS prediction_id, predictions.provider_id, videos.content_id,
            (SELECT MIN(name) FROM locations WHERE locations.video_id = videos.id) AS name,
            analyses.task, predictions.quoted_micros,
            COALESCE(predictions.submitted_at, predictions.held_at) AS since,
            predictions.expires_at, predictions.error AS reason
        FROM predictions
        JOIN analyses ON analyses.id = predictions.analysis_id
        JOIN videos ON videos.id = analyses.video_id
        WHERE predictions.status = '{status.value}'
        ORDER BY predictions.expires_at, predictions.id LIMIT :limit
        """,  # noqa: S608 - a status of ours
        limit=limit,
    )
    return [_read_out(row) for row in rows]


def _read_out(row: Row) -> Out:
    return Out(
        **row
        | {
            "task": AnalysisType(row["task"]),
            "since": moment(row["since"]),
            "expires_at": moment(row["expires_at"]),
        }
    )


def _recent(snapshot: Snapshot, *, limit: int) -> list[PastRun]:
    """Give the latest runs, newest first."""
    rows = snapshot.rows(
        """
        SELECT id AS run_id, command, started_at, finished_at, outcome
        FROM runs ORDER BY started_at DESC LIMIT :limit
        """,
        limit=limit,
    )
    return [_past(row) for row in rows]


def _past(row: Row) -> PastRun:
    outcome = row["outcome"]
    return PastRun(
        **row
        | {
            "started_at": moment(row["started_at"]),
            "finished_at": moment(row["finished_at"]),
            "outcome": None if outcome is None else RunStatus(outcome),
        }
    )


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
