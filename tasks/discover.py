"""Discover: list a source, compare with the catalog, write down what is new, changed or gone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from catalog import locations, scans
from catalog.batches import batched
from catalog.errors import SourceError
from catalog.locations import SourceRange
from catalog.scans import Change, Seen
from catalog.values import Listing, ListingProblem
from tasks.runtime.services import Services
from tasks.runtime.stats import Issue, RunStats
from tasks.storage.filters import Selection
from tasks.storage.source import Source

#: Locations that are compared and written at once.
PAGE = 1000

Page = tuple[Listing | ListingProblem, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Discovered:
    """A source that was listed, wholly or in part."""

    source: Source
    scope: SourceRange


async def discover(
    source: Source, selection: Selection, services: Services, stats: RunStats
) -> Discovered | None:
    """List a source into the catalog; None if nothing of it could be listed.

    A source that fails is a failure of the run, in one sentence; nothing in it is called missing.
    """
    scope = await services.write(locations.register, uri=source.uri, kind=source.kind)
    scan = _Scan(scope=scope, selection=selection, services=services, began=services.clock())
    try:
        pages = batched(services.stores.lister(source).list(), PAGE)
        while page := await asyncio.to_thread(scan.look, pages):
            await _record(page, scan, stats)
    except SourceError as error:
        stats.failures.append(Issue(what=source.label, reason=error.reason, kind="source"))
        await _remember_scan(scope, services, error.reason)
        return None
    missing = await _mark_missing(scan)
    stats.videos.missing += missing
    if missing and not scan.listed:
        stats.notices.append(
            f"{source.label} is empty, and all {missing} files that were known there are marked "
            "missing; is it mounted?"
        )
    if scan.links:
        stats.notices.append(f"{source.label}: {_links(scan.links)}")
    stats.failures.extend(
        Issue(what=problem.uri, reason=problem.reason, kind="folder") for problem in scan.problems
    )
    await _remember_scan(scope, services, _summary(scan.problems))
    return Discovered(source=source, scope=scope)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Compared:
    """A page of a listing, held against the catalog."""

    #: How many of it the run is about, and how many of those are as they were.
    meant: int
    unchanged: int
    #: What is to be written: what the run is about, and what it is not.
    different: Sequence[Listing]
    others: Sequence[Listing]


@dataclass(kw_only=True, slots=True)
class _Scan:
    """One listing of a source, as far as it has come."""

    scope: SourceRange
    selection: Selection
    services: Services
    began: datetime
    listed: int = 0
    problems: list[ListingProblem] = field(default_factory=list)
    #: Links that lead out of the source and were left alone.
    links: int = 0
    seen: Seen = field(default_factory=Seen)

    def look(self, pages: Iterator[Page]) -> _Compared | None:
        """List the next page and compare it; None when there is none."""
        page = next(pages, None)
        if page is None:
            return None
        listings = [one for one in page if type(one) is Listing]
        if len(listings) < len(page):
            problems = [one for one in page if type(one) is ListingProblem]
            self.problems.extend(one for one in problems if not one.leads_out)
            self.links += sum(one.leads_out for one in problems)
        self.listed += len(listings)
        meant, others = self.selection.divide(listings)
        with self.services.catalog.snapshot() as connection:
            # Read after the files were seen: whoever begins to scan later has to see them again.
            keep = scans.others_scan(connection)
            different, left = (
                group
                if keep or not group
                else scans.differing(connection, self.scope, group, self.seen)
                for group in (meant, others)
            )
        return _Compared(
            meant=len(meant),
            unchanged=len(meant) - len(different),
            different=different,
            others=left,
        )

    def vanished(self) -> list[int]:
        """Give the locations that were not seen."""
        with self.services.catalog.snapshot() as connection:
            return scans.unseen(
                connection,
                self.scope,
                self.seen,
                scan_began=self.began,
                unlisted=[problem.uri for problem in self.problems],
            )


async def _record(page: _Compared, scan: _Scan, stats: RunStats) -> None:
    """Write down what differs, and count of a page what the run is about."""
    stats.videos.found += page.meant
    stats.videos.unchanged += page.unchanged
    for group in (page.different, page.others):
        if not group:
            continue
        counts = await scan.services.write(
            scans.record_page, scope=scan.scope, page=group, now=scan.services.clock()
        )
        if group is page.different:
            stats.videos.new += counts[Change.NEW]
            stats.videos.changed += counts[Change.CHANGED]
            stats.videos.unchanged += counts[Change.UNCHANGED]


async def _mark_missing(scan: _Scan) -> int:
    vanished = await asyncio.to_thread(scan.vanished)
    return await scan.services.write(
        scans.mark_missing,
        location_ids=vanished,
        scan_began=scan.began,
        now=scan.services.clock(),
    )


async def _remember_scan(scope: SourceRange, services: Services, problem: str | None) -> None:
    await services.write(locations.record_scan, scope=scope, now=services.clock(), problem=problem)


def _links(count: int) -> str:
    if count == 1:
        return "1 link that leads out of it was not followed; --follow-links follows it."
    return f"{count:,} links that lead out of it were not followed; --follow-links follows them."


def _summary(problems: Sequence[ListingProblem]) -> str | None:
    if not problems:
        return None
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{problems[0].uri}: {problems[0].reason}{more}"
