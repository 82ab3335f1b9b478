"""Ingest: from sources to probed videos in the catalog.

Runs that look at the same files claim them in pages, so that each file is looked at once. No run
goes on before all has been looked at, by whichever run: what comes first is decided once everything
is known.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial

from sqlalchemy.orm import Session

from catalog import locations
from catalog.errors import SourceError
from catalog.locations import SourceRange, Unlooked, register
from catalog.money import show
from catalog.pricing import PriceList, quote
from catalog.values import ProbeStatus
from flows.pipeline.recovery import end_dead_runs
from flows.pipeline.runner import RunContext, Step
from tasks.discover import discover
from tasks.foundation.concurrency import together
from tasks.foundation.events import logger
from tasks.probe import probe_page
from tasks.runtime.stats import Issue, RunStats
from tasks.storage.filters import Selection
from tasks.storage.source import Source

#: Locations looked at in one batch, which is one task run where Prefect watches.
BATCH = 500
#: While one batch comes to its end, the children already look at the next one.
SIDE_BY_SIDE = 2
#: Batches that were looked at wait to be written down; a slow disk must not let them pile up.
UNWRITTEN = 4


async def look_at_all(
    scopes: Sequence[SourceRange], selection: Selection, context: RunContext
) -> None:
    """Look at what was listed there and not looked at; ends when nobody looks any more."""
    context.stats.stage = "Looking at videos"
    await _Claiming(scopes=scopes, selection=selection, context=context).at_all()


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """What a batch keeps from the next ones; closing `written` closes `looked_at`, too."""

    looked_at: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    written: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)


class Turns:
    """How many batches are looked at and written down together."""

    def __init__(self) -> None:
        self._unlooked = asyncio.Semaphore(SIDE_BY_SIDE)
        self._unwritten = asyncio.Semaphore(UNWRITTEN)

    async def next(self) -> Turn:
        """Wait until there is room for another."""
        turn = Turn()
        with contextlib.ExitStack() as given_up:
            given_up.callback(turn.written.close)
            await self._unwritten.acquire()
            turn.written.callback(self._unwritten.release)
            await self._unlooked.acquire()
            turn.written.callback(turn.looked_at.close)
            turn.looked_at.callback(self._unlooked.release)
            given_up.pop_all()
        return turn


@dataclass(kw_only=True, slots=True)
class _Claiming:
    """One run looks at locations, page by page, while others look at the same ones."""

    scopes: Sequence[SourceRange]
    selection: Selection
    context: RunContext
    _pages: int = 0

    async def at_all(self) -> None:
        while await self._once_over() and not self.context.runner.stop_asked.is_set():
            await asyncio.sleep(self.context.services.waits.others)
            await end_dead_runs(self.context)

    async def _once_over(self) -> bool:
        """Look at what is free; True if other runs are still looking at some."""
        after, others = "", False
        turns, stop_asked = Turns(), self.context.runner.stop_asked
        async with together() as group:
            while not stop_asked.is_set():
                turn = await turns.next()
                if stop_asked.is_set():
                    break  # it was asked for while the last batches came to their end
                page = await self.context.services.read(
                    locations.unlooked,
                    self.scopes,
                    after_uri=after,
                    limit=BATCH,
                    run_id=self.context.run_id,
                )
                if not page:
                    break
                after = page[-1].listing.uri
                meant = [one for one in page if self.selection.holds(one.listing.uri)]
                mine = await self._claim([one.id for one in meant if not one.claimed])
                others = others or len(mine) < len(meant)
                if mine:
                    batch = [one for one in meant if one.id in mine]
                    group.create_task(self._look_at(batch, turn))
                else:
                    turn.written.close()
        return others

    async def _look_at(self, mine: Sequence[Unlooked], turn: Turn) -> None:
        self._pages += 1
        page = self._pages
        label = f"probe-{page} ({len(mine)} files)"
        with turn.written:
            services, stats = self.context.services, self.context.stats
            probe = partial(probe_page, mine, services, stats, when_looked_at=turn.looked_at.close)
            await self.context.runner.batch(Step.PROBE, label, probe)
        await self._unclaim([one.id for one in mine])
        probed = self.context.stats.videos.probed
        logger.info("batch.probed", batch=page, files=len(mine), probed=probed)

    async def _claim(self, location_ids: Sequence[int]) -> set[int]:
        if not location_ids:
            return set()
        return await self.context.services.write(
            locations.claim, location_ids=location_ids, run_id=self.context.run_id
        )

    async def _unclaim(self, location_ids: Collection[int]) -> None:
        """Give back what was replaced while it was looked at: it is to be looked at once more."""
        await self.context.services.write(
            locations.unclaim, location_ids=list(location_ids), run_id=self.context.run_id
        )


#: Left for another time, and no failure.
_NOT_YET = {ProbeStatus.DEFERRED, ProbeStatus.ARCHIVED}


async def ingest(
    sources: Sequence[Source], selection: Selection, context: RunContext
) -> list[SourceRange]:
    """List the sources, look at what is new or changed, and count what is there.

    Gives the sources that could be listed. Others that share the run are called once there is
    something to look at.

    Raises:
        SourceError: if none could be.
    """
    services, runner, stats = context.services, context.runner, context.stats
    scopes: list[SourceRange] = []
    listed: list[Source] = []
    for source in sources:
        if runner.stop_asked.is_set():
            break
        stats.stage = f"Listing {source.label}"
        work = partial(discover, source, selection, services, stats)
        found = await runner.batch(Step.DISCOVER, f"discover {source.label}", work)
        if found is not None:
            scopes.append(found.scope)
            listed.append(source)
        logger.log(
            logging.INFO if found is not None else logging.WARNING,
            "source.listed" if found is not None else "source.failed",
            source=source.label,
            found=stats.videos.found,
            new=stats.videos.new,
            changed=stats.videos.changed,
        )
    if not scopes:
        if stats.failures:
            raise SourceError(stats.failures[0].what, stats.failures[0].reason)
        return []
    await runner.call_others(context.run_id, [source.named for source in listed], stats)
    await look_at_all(scopes, selection, context)
    # Side by side, for each reads all that the catalog knows there.
    duplicates, _ = await asyncio.gather(
        services.read(_duplicates, scopes, selection),
        services.read(_name_troubled, scopes, selection, services.provider.prices, stats),
    )
    stats.videos.duplicates += duplicates
    return scopes


async def join_in(
    sources: Sequence[Source], selection: Selection, context: RunContext
) -> list[SourceRange]:
    """Look, together with the run that listed these sources, at what nobody else is looking at."""
    scopes = [
        await context.services.write(register, uri=source.uri, kind=source.kind)
        for source in sources
    ]
    await look_at_all(scopes, selection, context)
    return scopes


def _duplicates(session: Session, scopes: Sequence[SourceRange], selection: Selection) -> int:
    """Count the places that hold what another of them holds, too."""
    if selection.is_everything:
        return locations.duplicates(session, scopes)
    places, met = 0, set()
    for place in locations.present(session, scopes):
        if place.video_id is not None and selection.holds(place.uri):
            places += 1
            met.add(place.video_id)
    return places - len(met)


def _name_troubled(
    session: Session,
    scopes: Sequence[SourceRange],
    selection: Selection,
    prices: PriceList,
    stats: RunStats,
) -> None:
    """Name what cannot be analysed with its reason."""
    archived_bytes = 0
    for place in locations.present(session, scopes, troubled=True):
        if not selection.holds(place.uri):
            continue
        if place.status is None or place.status is ProbeStatus.OK:
            continue
        stats.videos.deferred += place.status is ProbeStatus.DEFERRED
        if place.status is ProbeStatus.ARCHIVED:
            stats.videos.archived += 1
            archived_bytes += place.size
        if place.status not in _NOT_YET:
            stats.videos.unreadable += 1
            stats.failures.append(
                Issue(what=place.uri, reason=place.reason or place.status, kind=place.status)
            )
    if stats.videos.archived:
        stats.notices.append(_archived(stats.videos.archived, archived_bytes, prices))


def _archived(count: int, size: int, prices: PriceList) -> str:
    """Say what is left out because nobody can read it, and what it would cost at most."""
    most = quote(Decimal(prices.most_seconds), prices) or 0
    cost = f", for {show(most * count)} a task at most" if most else ""
    what = "1 object lies" if count == 1 else f"{count:,} objects lie"
    return (
        f"{what} in an archive class ({size / 1e9:,.1f} GB), read by nobody and in no price here; "
        f"restored, a run would describe them{cost}."
    )
