"""Rows for catalogs under test, made the way that flows make them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from catalog import analyses, budgets, locations, runs, scans, videos
from catalog.analyses import AnalysisSpec, PendingAnalysis
from catalog.budget_limits import Scopes
from catalog.database import Catalog
from catalog.holding import Purchase
from catalog.locations import SourceRange
from catalog.models import Analysis
from catalog.planning import Candidate
from catalog.pricing import MOLMO2, MOLMO2_PRICES
from catalog.rate_limits import Limits
from catalog.scans import Change, Seen
from catalog.values import (
    AnalysisStatus,
    AnalysisType,
    Completed,
    DurationSource,
    Failed,
    Inspection,
    Listing,
    Probe,
    ProbeStatus,
    SourceKind,
)
from catalog.videos import Look

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ENDPOINT = "https://api.wavespeed.example"
FOLDER = "file:///films"
NO_LIMITS = Limits(starts_per_minute=None, in_flight=None)
ANSWER = Completed(text="A boat leaves the harbour.", raw='["A boat leaves the harbour."]')
PASSING = Failed(reason="The provider was busy.", code=5003, retryable=True)
LASTING = Failed(reason="The provider could not read it.", code=1401, retryable=False)


def spec(*tasks: AnalysisType) -> AnalysisSpec:
    return AnalysisSpec(model=MOLMO2, tasks=tasks or (AnalysisType.SUMMARY,))


def listing(uri: str, **changes: Any) -> Listing:
    return Listing(
        **{"uri": uri, "name": uri.removeprefix(f"{FOLDER}/"), "size": 1000, "mtime_ns": 1}
        | changes
    )


def probe(seconds: str | None = "10", **changes: Any) -> Probe:
    duration = None if seconds is None else Decimal(seconds)
    return Probe(
        **{
            "status": ProbeStatus.OK,
            "engine": "engine 1.0",
            "container": "mp4",
            "duration_seconds": duration,
            "duration_source": DurationSource.HEADER,
        }
        | changes
    )


def inspection(content_id: str | None, **changes: Any) -> Inspection:
    return Inspection(
        **{
            "content_id": content_id,
            "size": 1000,
            "probe": probe(),
            "bytes_read": 1000,
            "requests": 0,
        }
        | changes
    )


def register(
    catalog: Catalog, uri: str = FOLDER, kind: SourceKind = SourceKind.FOLDER
) -> SourceRange:
    return catalog.write(lambda session: locations.register(session, uri, kind))


def record(
    catalog: Catalog, scope: SourceRange, page: Sequence[Listing], now: datetime = NOW
) -> dict[Change, int]:
    return catalog.write(lambda session: scans.record_page(session, scope, page, now=now))


def scan(
    catalog: Catalog,
    scope: SourceRange,
    page: Sequence[Listing],
    now: datetime = NOW,
    *,
    unlisted: Sequence[str] = (),
) -> tuple[dict[Change, int], int]:
    """List a source wholly; gives its changes and how many vanished."""
    seen = Seen()
    different = compare(catalog, scope, page, seen)
    changes = record(catalog, scope, different, now)
    changes[Change.UNCHANGED] += len(page) - len(different)
    return changes, end_scan(catalog, scope, now, seen=seen, unlisted=unlisted)


def compare(
    catalog: Catalog, scope: SourceRange, page: Sequence[Listing], seen: Seen
) -> Sequence[Listing]:
    """Give what of a page is not as the catalog remembers it."""
    if not page:
        return page
    with catalog.read() as session:
        return scans.differing(session.connection(), scope, page, seen)


def end_scan(
    catalog: Catalog,
    scope: SourceRange,
    began: datetime,
    *,
    seen: Seen | None = None,
    unlisted: Sequence[str] = (),
) -> int:
    """Mark what a scan did not see; gives how many vanished."""
    with catalog.read() as session:
        unseen = scans.unseen(
            session.connection(), scope, seen or Seen(), scan_began=began, unlisted=unlisted
        )
    return catalog.write(
        lambda session: scans.mark_missing(session, unseen, scan_began=began, now=began)
    )


def look(
    catalog: Catalog,
    scope: SourceRange,
    give: Callable[[Listing], Inspection],
    now: datetime = NOW,
) -> list[str]:
    """Look at all that is to be looked at; gives the URIs that were."""
    with catalog.read() as session:
        found = locations.unlooked(session, [scope], after_uri="", limit=10_000)

    def look_at_all(session: Session) -> None:
        looks = [Look(location=one, inspection=give(one.listing), now=now) for one in found]
        videos.record_inspections(session, looks)

    catalog.write(look_at_all)
    return [one.listing.uri for one in found]


def content_of_name(listed: Listing) -> Inspection:
    """Every name holds content of its own."""
    return inspection(f"content of {listed.uri}"[-64:])


def wanted_analyses(catalog: Catalog, count: int, *tasks: AnalysisType) -> list[int]:
    """Make `count` videos, each with its analyses wanted; gives the ids of those, in order."""
    scope = register(catalog)
    record(catalog, scope, [listing(f"{FOLDER}/{number:04}.mp4") for number in range(count)])
    look(catalog, scope, content_of_name)
    catalog.write(lambda session: analyses.want(session, [scope], spec(*tasks)))
    with catalog.read() as session:
        return list(session.scalars(select(Analysis.id).order_by(Analysis.id)))


def start_run(
    catalog: Catalog,
    run_id: str,
    limit_micros: int | None,
    *,
    process: runs.Process | None = None,
    now: datetime = NOW,
) -> None:
    def start(session: Session) -> None:
        runs.start(
            session,
            run_id,
            command="run",
            parameters={},
            process=process or runs.Process(host="here", pid=1, started_at=Decimal(0)),
            flow_run_id=None,
            now=now,
        )
        budgets.open_run(session, f"run:{run_id}", limit_micros)

    catalog.write(start)


def scopes(run_id: str, day: str = "day:2026-11-23", month: str = "month:2026-11") -> Scopes:
    return Scopes(run=f"run:{run_id}", day=day, month=month)


def purchase(run_id: str, **changes: Any) -> Purchase:
    return Purchase(
        **{
            "run_id": run_id,
            "endpoint": ENDPOINT,
            "price_list": MOLMO2_PRICES.version,
            "scopes": scopes(run_id),
        }
        | changes
    )


def jobs(analysis_ids: Iterable[int], quote_micros: int = 10_000) -> list[Candidate]:
    """These analyses as a plan gives them; of whose videos they are is nothing to a hold."""
    return [job(one, quote_micros) for one in analysis_ids]


def job(analysis_id: int, quote_micros: int) -> Candidate:
    left = PendingAnalysis(
        analysis_id=analysis_id,
        video_id=analysis_id,
        task=AnalysisType.SUMMARY,
        status=AnalysisStatus.WANTED,
        duration_seconds=None,
        uri="file:///films/a.mp4",
        name="a.mp4",
    )
    return Candidate(left=left, quote_micros=quote_micros)


def tokens(prefix: str = "token") -> Callable[[], str]:
    numbers = itertools.count()
    return lambda: f"{prefix}{next(numbers)}"
