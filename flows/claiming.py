"""Claiming: look at new and changed files beside other runs, each of them once.

Whoever claims a page looks at it. No run goes on before all has been looked at, by whomever: what
comes first is decided once everything is known.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import partial

from catalog import locations
from catalog.locations import Unlooked
from catalog.sources import Scope
from flows.door import Door
from flows.orphans import bury_the_dead
from tasks.events import tell
from tasks.probe import probe_page
from tasks.selection import Selection
from tasks.services import Services
from tasks.tally import Tally
from tasks.together import together

#: Locations looked at in one batch, which is one task run where Prefect watches.
BATCH = 500
#: While one batch comes to its end, the children already look at the next one.
SIDE_BY_SIDE = 2
#: Batches that were looked at wait to be written down; a slow disk must not let them pile up.
UNWRITTEN = 4


async def look_at_all(
    scopes: Sequence[Scope],
    selection: Selection,
    services: Services,
    door: Door,
    tally: Tally,
    *,
    run_id: str,
) -> None:
    """Look at what was listed there and not looked at; ends when nobody looks any more."""
    tally.stage = "Looking at videos"
    claiming = _Claiming(
        scopes=scopes,
        selection=selection,
        services=services,
        door=door,
        tally=tally,
        run_id=run_id,
    )
    await claiming.at_all()


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
    """One run looks at locations, page by page, beside others that look at the same ones."""

    scopes: Sequence[Scope]
    selection: Selection
    services: Services
    door: Door
    tally: Tally
    run_id: str
    _pages: int = 0

    async def at_all(self) -> None:
        while await self._once_over() and not self.door.stop_asked.is_set():
            await asyncio.sleep(self.services.waits.others)
            await bury_the_dead(self.services, run_id=self.run_id)

    async def _once_over(self) -> bool:
        """Look at what is free; True if other runs are still looking at some."""
        after, others = "", False
        turns = Turns()
        async with together() as group:
            while not self.door.stop_asked.is_set():
                turn = await turns.next()
                if self.door.stop_asked.is_set():
                    break  # it was asked for while the last batches came to their end
                page = await asyncio.to_thread(self._next_page, after)
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
        name = f"probe-{page} ({len(mine)} files)"
        with turn.written:
            probe = partial(
                probe_page, mine, self.services, self.tally, when_looked_at=turn.looked_at.close
            )
            await self.door.batch(name, probe)
        await self._unclaim([one.id for one in mine])
        probed = self.tally.videos.probed
        tell("batch.probed", batch=page, files=len(mine), probed=probed)

    def _next_page(self, after: str) -> list[Unlooked]:
        with self.services.catalog.read() as session:
            return locations.unlooked(
                session, self.scopes, after_uri=after, limit=BATCH, run_id=self.run_id
            )

    async def _claim(self, location_ids: Sequence[int]) -> set[int]:
        if not location_ids:
            return set()
        claim = partial(locations.claim, location_ids=location_ids, run_id=self.run_id)
        return await self.services.writer.apply(claim)

    async def _unclaim(self, location_ids: Collection[int]) -> None:
        """Give back what was replaced while it was looked at: it is to be looked at once more."""
        unclaim = partial(locations.unclaim, location_ids=list(location_ids), run_id=self.run_id)
        await self.services.writer.apply(unclaim)
