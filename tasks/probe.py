"""Probe: look at the bytes of locations, and write down which content lies there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import timedelta

from sqlalchemy.orm import Session

from catalog import locations, videos
from catalog.batches import batched
from catalog.locations import Unlooked
from catalog.values import Inspection, Listing, Probe, ProbeStatus
from catalog.videos import Look
from tasks.foundation.concurrency import together
from tasks.foundation.events import logger
from tasks.runtime.services import Services
from tasks.runtime.stats import RunStats
from tasks.storage.errors import StoreError
from tasks.storage.store import ARCHIVE_CLASSES, has_changed, is_young

#: Locations that are looked at and written down as one: each alone costs more than its looks.
TOGETHER = 8
#: A growing file shows that it grows within this time.
WATCHED = timedelta(seconds=2)


async def probe_page(
    page: Sequence[Unlooked],
    services: Services,
    stats: RunStats,
    *,
    when_looked_at: Callable[[], None],
) -> None:
    """Look at a page of locations, many at once, and record a few as soon as they are known.

    Calls `when_looked_at` once all were looked at, when some are still to be written down.
    """
    archived = [one for one in page if one.listing.storage_class in ARCHIVE_CLASSES]
    readable = [one for one in page if one.listing.storage_class not in ARCHIVE_CLASSES]
    for one in archived:
        await services.write(_record_archived, location=one)
    growing = asyncio.create_task(_growing(readable, services))
    unlooked = len(readable)

    async def look_at(some: Sequence[Unlooked]) -> None:
        nonlocal unlooked
        inspections = await services.pool.inspect_all([one.listing for one in some])
        unlooked -= len(some)
        if not unlooked:
            when_looked_at()
        await _record(some, inspections, await growing, services, stats)

    async with together() as group:
        for some in batched(readable, TOGETHER):
            group.create_task(look_at(some))


async def _record(
    some: Sequence[Unlooked],
    inspections: Sequence[Inspection],
    growing: Collection[int],
    services: Services,
    stats: RunStats,
) -> None:
    now, looks = services.clock(), list[Look]()
    for location, found in zip(some, inspections, strict=True):
        inspection = _deferred(found) if location.id in growing else found
        logger.debug(
            "video.probed",
            location=location.listing.uri,
            video=inspection.content_id,
            status=inspection.probe.status,
            reason=inspection.probe.error,
        )
        stats.videos.probed += 1
        stats.videos.bytes_read += inspection.bytes_read
        stats.videos.requests += inspection.requests
        looks.append(Look(location=location, inspection=inspection, now=now))
    await services.write_all(videos.record_inspections, looks)


async def _growing(page: Sequence[Unlooked], services: Services) -> set[int]:
    """Find the locations that are still being written: young, and different when seen again."""
    young = [one for one in page if is_young(one.listing, services.clock())]
    if not young:
        return set()
    await asyncio.sleep(WATCHED.total_seconds())
    seen_again = await asyncio.to_thread(
        lambda: [(one, _look(one.listing, services)) for one in young]
    )
    return {one.id for one, listing in seen_again if has_changed(one.listing, listing)}


def _look(listing: Listing, services: Services) -> Listing | None:
    try:
        return services.stores.reader(listing.uri).look(listing.uri)
    except StoreError:
        return listing  # the inspection says what is wrong


def _deferred(inspection: Inspection) -> Inspection:
    return replace(
        inspection,
        probe=Probe(
            status=ProbeStatus.DEFERRED,
            error="It is still being written; the next run looks at it again.",
            engine=inspection.probe.engine,
        ),
    )


def _record_archived(session: Session, location: Unlooked) -> None:
    locations.record_problem(
        session,
        location.id,
        status=ProbeStatus.ARCHIVED,
        problem=f"It is archived ({location.listing.storage_class}); restore it, then run again.",
    )
