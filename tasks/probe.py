"""Probe: look at the bytes of locations, and write down which content lies there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial

from sqlalchemy.orm import Session

from catalog import locations, videos
from catalog.locations import Unlooked
from catalog.values import Inspection, Listing, Probe, ProbeStatus
from catalog.videos import Look
from tasks.events import tell_item
from tasks.services import Services
from tasks.storage.errors import StoreError
from tasks.storage.freshness import has_changed, is_young
from tasks.storage.store import ARCHIVE_CLASSES
from tasks.tally import Tally
from tasks.together import together

#: A growing file shows that it grows within this time.
WATCHED = timedelta(seconds=2)


async def probe_page(page: Sequence[Unlooked], services: Services, tally: Tally) -> None:
    """Look at a page of locations, many at once, and record each as it is known."""
    archived = [one for one in page if one.listing.storage_class in ARCHIVE_CLASSES]
    readable = [one for one in page if one.listing.storage_class not in ARCHIVE_CLASSES]
    for one in archived:
        await services.writer.apply(partial(_record_archived, location=one))
    growing = asyncio.create_task(_growing(readable, services))
    async with together() as group:
        for one in readable:
            group.create_task(_probe(one, growing, services, tally))


async def _probe(
    location: Unlooked, growing: asyncio.Task[set[int]], services: Services, tally: Tally
) -> None:
    inspection = await services.pool.inspect(location.listing)
    if location.id in await growing:
        inspection = _deferred(inspection)
    tell_item(
        "video.probed",
        location=location.listing.uri,
        video=inspection.content_id,
        status=inspection.probe.status,
        reason=inspection.probe.error,
    )
    tally.videos.probed += 1
    tally.videos.bytes_read += inspection.bytes_read
    tally.videos.requests += inspection.requests
    look = Look(location=location, inspection=inspection, now=services.clock())
    await services.writer.add(videos.record_inspections, look)


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
