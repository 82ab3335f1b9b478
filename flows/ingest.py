"""Ingest: from sources to probed videos in the catalog."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from decimal import Decimal
from functools import partial

from catalog import locations
from catalog.errors import SourceError
from catalog.money import show
from catalog.pricing import quote
from catalog.sources import Scope, register
from catalog.values import ProbeStatus
from flows.claiming import look_at_all
from flows.door import Door
from tasks.discover import discover
from tasks.events import tell
from tasks.selection import Selection
from tasks.services import Services
from tasks.storage.source import Source
from tasks.tally import Tally, Trouble

#: Left for another time, and no failure.
_NOT_YET = {ProbeStatus.DEFERRED, ProbeStatus.ARCHIVED}


async def ingest(
    sources: Sequence[Source],
    selection: Selection,
    services: Services,
    door: Door,
    tally: Tally,
    *,
    run_id: str,
) -> list[Scope]:
    """List the sources, look at what is new or changed, and count what is there.

    Gives the sources that could be listed. Others that share the run are called once there is
    something to look at.

    Raises:
        SourceError: if none could be.
    """
    scopes: list[Scope] = []
    listed: list[Source] = []
    for source in sources:
        if door.stop_asked.is_set():
            break
        tally.stage = f"Listing {source.label}"
        work = partial(discover, source, selection, services, tally)
        found = await door.batch(f"discover {source.label}", work)
        if found is not None:
            scopes.append(found.scope)
            listed.append(source)
        tell(
            "source.listed" if found is not None else "source.failed",
            logging.INFO if found is not None else logging.WARNING,
            source=source.label,
            found=tally.videos.found,
            new=tally.videos.new,
            changed=tally.videos.changed,
        )
    if not scopes:
        if tally.failures:
            raise SourceError(tally.failures[0].what, tally.failures[0].reason)
        return []
    await door.call_others(run_id, [source.named for source in listed], tally)
    await look_at_all(scopes, selection, services, door, tally, run_id=run_id)
    # Side by side, for each reads all that the catalog knows there.
    duplicates, _ = await asyncio.gather(
        asyncio.to_thread(_duplicates, scopes, selection, services),
        asyncio.to_thread(_name_troubled, scopes, selection, services, tally),
    )
    tally.videos.duplicates += duplicates
    return scopes


async def join_in(
    sources: Sequence[Source],
    selection: Selection,
    services: Services,
    door: Door,
    tally: Tally,
    *,
    run_id: str,
) -> list[Scope]:
    """Look, beside the run that listed these sources, at what nobody else is looking at."""
    scopes = [
        await services.writer.apply(partial(register, uri=source.uri, kind=source.kind))
        for source in sources
    ]
    await look_at_all(scopes, selection, services, door, tally, run_id=run_id)
    return scopes


def _duplicates(scopes: Sequence[Scope], selection: Selection, services: Services) -> int:
    """Count the places that hold what another of them holds, too."""
    with services.catalog.read() as session:
        if selection.is_everything:
            return locations.duplicates(session, scopes)
        places, met = 0, set()
        for place in locations.present(session, scopes):
            if place.video_id is not None and selection.holds(place.uri):
                places += 1
                met.add(place.video_id)
    return places - len(met)


def _name_troubled(
    scopes: Sequence[Scope], selection: Selection, services: Services, tally: Tally
) -> None:
    """Name what cannot be analysed with its reason."""
    archived_bytes = 0
    with services.catalog.read() as session:
        for place in locations.present(session, scopes, troubled=True):
            if not selection.holds(place.uri):
                continue
            if place.status is None or place.status is ProbeStatus.OK:
                continue
            tally.videos.deferred += place.status is ProbeStatus.DEFERRED
            if place.status is ProbeStatus.ARCHIVED:
                tally.videos.archived += 1
                archived_bytes += place.size
            if place.status not in _NOT_YET:
                tally.videos.unreadable += 1
                tally.failures.append(
                    Trouble(what=place.uri, reason=place.reason or place.status, kind=place.status)
                )
    if tally.videos.archived:
        tally.notices.append(_archived(tally.videos.archived, archived_bytes, services))


def _archived(count: int, size: int, services: Services) -> str:
    """Say what is left out because nobody can read it, and what it would cost at most."""
    prices = services.provider.prices
    most = quote(Decimal(prices.most_seconds), prices) or 0
    cost = f", for {show(most * count)} a task at most" if most else ""
    what = "1 object lies" if count == 1 else f"{count:,} objects lie"
    return (
        f"{what} in an archive class ({size / 1e9:,.1f} GB), read by nobody and in no price here; "
        f"restored, a run would describe them{cost}."
    )
