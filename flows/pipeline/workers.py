"""Sharing: one run in the hands of several workers, and what becomes of it when one of them dies.

The run that was started lists the sources and calls others. Each of them is a run of its own that
works on the first one's budget: whoever holds money for an analysis buys it, and whoever claims a
page of files looks at it. None has to know the others: what they do is in the catalog.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy.orm import Session

from catalog import outstanding, runs
from catalog.errors import CatalogError, ReelcatError, UsageError
from flows.pipeline.predict import Engine
from flows.pipeline.recovery import end_dead_runs, is_anything_left, take_over
from flows.pipeline.request import RunOptions
from flows.pipeline.run_record import options_of_record
from flows.settings import Settings
from flows.wiring import open_catalog_only
from tasks.foundation.events import tell
from tasks.runtime.services import Services

T = TypeVar("T")


class HasEnded(ReelcatError):
    """The run that was to be shared has ended, which is nobody's fault."""


def others_to_call(options: RunOptions) -> int:
    """Say how many others a run calls.

    One that is to describe a certain number of videos calls none: who shares it would choose
    further ones.
    """
    return options.workers - 1 if options.limit is None and options.shares is None else 0


def shared_options(
    settings: Settings, run_id: str, *, sources: Sequence[str], flow_run_id: str | None
) -> RunOptions:
    """Give the options of a run that shares this one.

    Raises:
        UsageError: if there is no such run.
        HasEnded: if it has ended, so that nothing is left to be shared.
        CatalogError: if the catalog cannot be used.
    """
    with contextlib.closing(open_catalog_only(settings)) as catalog, catalog.read() as session:
        host = runs.shared(session, run_id)
    if host is None:
        raise UsageError(
            f"There is no run {run_id} in {catalog.shown_url}; a worker that helps needs the same "
            "REELCAT_DATABASE_URL as the one that it helps."
        )
    if host.has_ended:
        raise HasEnded("The run had ended before this worker came; there was nothing left to do.")
    return options_of_record(
        host.parameters, shares=run_id, sources=sources, flow_run_id=flow_run_id
    )


@dataclass(kw_only=True, slots=True)
class Others:
    """Other runs, as one run sees them while it goes on."""

    engine: Engine
    #: Where what is taken over from them is followed to its end.
    group: asyncio.TaskGroup
    _taking: asyncio.Lock = field(default_factory=asyncio.Lock)
    #: Something was taken over, so that there may be more to buy than the last plan said.
    _took_over: bool = False
    #: Nothing is left to do here; whoever waits need not be stopped.
    _waiting: bool = False

    @property
    def is_guest(self) -> bool:
        """Whether this run shares one that was started by somebody else."""
        return self.engine.budget_run_id != self.engine.run_id

    async def watch(self) -> None:
        """Run beside everything else: look after what those left who died meanwhile.

        A look that the catalog does not allow is made again later; whatever else the run does says
        what is wrong.
        """
        stop_asked = self.engine.runner.stop_asked
        while not stop_asked.is_set():
            await self._wait(self.engine.services.waits.watch)
            if stop_asked.is_set():
                return
            try:
                await self._look_around()
            except CatalogError as error:
                tell("run.watch_failed", logging.WARNING, reason=error)

    async def _look_around(self) -> None:
        if await self._has_host_ended() and not self._waiting:
            self.engine.runner.stop_asked.set()
            return
        await self._take_over()
        await count_others(self.engine)

    async def bought(self) -> set[int]:
        """Give the analyses that others bought for this run."""
        engine = self.engine
        return await _read(
            engine.services, lambda session: outstanding.bought_on(session, engine.budget_run_id)
        )

    async def waited_for(self) -> bool:
        """Wait until no other has anything of this run under way.

        What one of them left that died meanwhile is taken over. False if there was nothing to wait
        for and nothing to take over: then there is no more to buy than the last plan said.
        """
        self._waiting = True
        try:
            return await self._wait_for_all()
        finally:
            self._waiting = False

    async def _wait_for_all(self) -> bool:
        engine, had = self.engine, False
        while not engine.halted:
            if await self._has_host_ended():
                return False
            await self._take_over()
            if not await _read(engine.services, self._under_way):
                break
            had = True
            engine.stats.stage = "Waiting for other workers"
            await self._wait(engine.services.waits.others)
        had, self._took_over = had or self._took_over, False
        return had

    def _under_way(self, session: Session) -> int:
        services = self.engine.services
        return outstanding.under_way_elsewhere(
            session,
            budget_run_id=self.engine.budget_run_id,
            run_id=self.engine.run_id,
            given_up_before=services.provider.clock() - services.provider.patience,
        )

    async def _take_over(self) -> None:
        engine = self.engine
        async with self._taking:
            await end_dead_runs(engine.services, run_id=engine.run_id)
            if not await is_anything_left(engine.services, run_id=engine.run_id):
                return
            found = await take_over(engine.services, run_id=engine.run_id, stats=engine.stats)
            self._took_over = True
        self.group.create_task(engine.collect(found))

    async def _has_host_ended(self) -> bool:
        """Whether the run that is shared said that it ended; one that died is finished without."""
        if not self.is_guest:
            return False
        engine = self.engine
        host = await _read(
            engine.services, lambda session: runs.shared(session, engine.budget_run_id)
        )
        return host is None or host.has_ended

    async def _wait(self, seconds: float) -> None:
        """Wait, but not longer than until the run is asked to stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.engine.runner.stop_asked.wait()


async def count_others(engine: Engine) -> None:
    """Count what others completed for this run."""
    engine.stats.analyses.completed_by_others = await _read(
        engine.services,
        lambda session: outstanding.completed_elsewhere(
            session, budget_run_id=engine.budget_run_id, run_id=engine.run_id
        ),
    )


async def _read(services: Services, query: Callable[[Session], T]) -> T:
    def read() -> T:
        with services.catalog.read() as session:
            return query(session)

    return await asyncio.to_thread(read)
