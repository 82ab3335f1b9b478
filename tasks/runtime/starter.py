"""Starting: turn holds into durable intents, in groups, as fast as the account allows.

Whoever wants to send a POST asks here first. A yes means that the intent is in the catalog and that
the account's limits, which all workers share through the catalog, have room for it. Where they have
none for so long that whatever takes it must be stuck, nothing is started any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from catalog import holding
from catalog.holding import Intents
from tasks.runtime.services import Services
from tasks.wavespeed.clock import Instant
from tasks.wavespeed.pacing import StartPacer

_MOST_AT_ONCE = 200


@dataclass(kw_only=True, slots=True)
class Starter:
    """Gathers those who want to start, and lets them go in groups."""

    services: Services
    pacer: StartPacer | None
    #: How many that count as in flight have probably ended.
    ended: Callable[[], int] = int
    #: The account's limits had no room for longer than a prediction is waited for.
    starved: bool = False
    _waiting: dict[int, asyncio.Future[Instant | None]] = field(default_factory=dict)
    _granting: asyncio.Task[None] | None = None
    _closed: asyncio.Event = field(default_factory=asyncio.Event)
    #: One that was granted, by which a catalog is known that was replaced by an older one.
    _last: int | None = None
    #: How many the pacer has let pass that have not started.
    _turns: int = 0
    #: Whether somebody waits for whom the pacer has not been asked; whether it let some pass.
    _wanted: asyncio.Event = field(default_factory=asyncio.Event)
    _turned: asyncio.Event = field(default_factory=asyncio.Event)
    #: Whether there may be room again in the account.
    _room: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self, prediction_id: int) -> Instant | None:
        """Wait until the POST may be sent; None if nothing is started any more.

        Gives the instant that the intent was written with: it counts, however long this process
        sleeps after it.
        """
        if self._closed.is_set():
            return None
        granted: asyncio.Future[Instant | None] = asyncio.get_running_loop().create_future()
        self._waiting[prediction_id] = granted
        self._wanted.set()
        if self._granting is None or self._granting.done():
            self._granting = asyncio.create_task(self._grant())
        try:
            return await granted
        finally:
            self._waiting.pop(prediction_id, None)  # one that is cancelled needs no intent

    async def _pace(self, pacer: StartPacer) -> None:
        """Ask the pacer for turns, also while the last ones become intents."""
        while True:
            self._wanted.clear()
            room = min(len(self._waiting), pacer.at_once) - self._turns
            if room <= 0:
                await self._wanted.wait()
            else:
                passed = await pacer.turns(room)
                self._turns += passed  # what there was before has been used meanwhile, or taken
                self._turned.set()

    async def _next_turns(self) -> None:
        """Wait for the pacer, unless nothing is started any more."""
        if self.pacer is None:
            self._turns = _MOST_AT_ONCE
            return
        self._turned.clear()
        self._wanted.set()
        await self._turned.wait()

    def pause(self, seconds: float) -> None:
        """Start nothing for so long, and then fewer for a while."""
        self._turns = 0
        if self.pacer is not None:
            self.pacer.pause(seconds)
            self.pacer.slow_down()

    def accepted(self) -> None:
        """One was accepted."""
        if self.pacer is not None:
            self.pacer.accepted()

    def refused(self) -> None:
        """Start fewer for a while: one was refused for its pace, as others may not be."""
        if self.pacer is not None:
            self.pacer.refused()

    def slow_down(self) -> None:
        """Start fewer for a while."""
        if self.pacer is not None:
            self.pacer.slow_down()

    def make_room(self) -> None:
        """One has ended: what writes that down is written before the next intents are."""
        self._room.set()

    def close(self) -> None:
        """Start nothing any more; who waits is told so."""
        self._closed.set()
        self._turned.set()
        self._room.set()

    async def _grant(self) -> None:
        pacing = None if self.pacer is None else asyncio.create_task(self._pace(self.pacer))
        try:
            await self._grant_all()
        except Exception as error:  # noqa: BLE001 - handed to whoever waits
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(error)
            self._waiting.clear()  # each of them raises it where somebody listens
        finally:
            if pacing is not None:
                pacing.cancel()

    async def _grant_all(self) -> None:
        """Turn those who wait into intents until nobody waits any more."""
        clock = self.services.clock
        last_grant = clock()
        while self._waiting:
            if clock() - last_grant > self.services.provider.patience:
                self.starved = True
                self.close()
            if self._closed.is_set():
                self._answer(list(self._waiting), None)
                return
            if self._turns <= 0:
                await self._next_turns()
                last_grant = clock()  # whoever waits for the pacer is not starved
                continue
            self._room.clear()
            group = list(itertools.islice(self._waiting, min(self._turns, _MOST_AT_ONCE)))
            instant = self.services.provider.clock.instant()
            started = await self._intend(group)
            self._last = max(started.granted, default=self._last)
            self._turns = max(0, self._turns - len(started.granted))  # a pause takes them away
            self._wanted.set()
            self._answer(started.granted, instant)
            self._answer(started.gone, None)
            if started.granted:
                last_grant = clock()
            if len(started.granted) + len(started.gone) < len(group):
                await self._wait_for_room()

    async def _wait_for_room(self) -> None:
        """Wait until one of ours has ended, or one of somebody else's may have."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.services.waits.ask_again):
                await self._room.wait()

    async def _intend(self, group: Sequence[int]) -> Intents:
        limits = self.services.provider.limits
        if limits.in_flight is not None:
            limits = replace(limits, in_flight=limits.in_flight + self.ended())
        return await self.services.write(
            holding.intend,
            prediction_ids=group,
            endpoint=self.services.provider.endpoint,
            limits=limits,
            last=self._last,
            now=self.services.provider.clock.earliest(),
        )

    def _answer(self, prediction_ids: Iterable[int], instant: Instant | None) -> None:
        for prediction_id in prediction_ids:
            future = self._waiting.pop(prediction_id, None)
            if future is not None and not future.done():
                future.set_result(instant)
