"""Sharing: one run in the hands of several workers, and what becomes of it when one of them dies.

The run that was started lists the sources and calls others. Each of them is a run of its own that
works on the first one's budget: whoever holds money for an analysis buys it, and whoever claims a
page of files looks at it. None has to know the others: what they do is in the catalog.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from catalog import outstanding, runs
from catalog.errors import CatalogError, ReelcatError, UsageError
from flows.pipeline.predict import Engine
from flows.pipeline.recovery import end_dead_runs, is_anything_left, take_over
from flows.pipeline.request import RunRequest, read_stored
from flows.pipeline.runner import RunContext
from flows.settings import Settings
from flows.wiring import open_catalog_only
from tasks.foundation.events import logger


class HasEnded(ReelcatError):
    """The run that was to be shared has ended, which is nobody's fault."""


def others_to_call(request: RunRequest) -> int:
    """Say how many others a run calls.

    One that is to describe a certain number of videos calls none: who shares it would choose
    further ones.
    """
    return request.pace.workers - 1 if request.videos.limit is None else 0


def shared_request(settings: Settings, run_id: str, *, sources: Sequence[str]) -> RunRequest:
    """Give what a run that shares this one is asked to do; of all its sources if none is named.

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
    request = read_stored(host.parameters)
    return request.of_sources(sources) if sources else request


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
        return self.engine.context.shares is not None

    async def watch(self) -> None:
        """Run during everything else: look after what those left who died meanwhile.

        A look that the catalog does not allow is made again later; whatever else the run does says
        what is wrong.
        """
        stop_asked = self.engine.context.runner.stop_asked
        while not stop_asked.is_set():
            await self._wait(self.engine.context.services.waits.watch)
            if stop_asked.is_set():
                return
            try:
                await self._look_around()
            except CatalogError as error:
                logger.warning("run.watch_failed", reason=error)

    async def _look_around(self) -> None:
        if await self._has_host_ended() and not self._waiting:
            self.engine.context.runner.stop_asked.set()
            return
        await self._take_over()
        await count_others(self.engine.context)

    async def bought(self) -> set[int]:
        """Give the analyses that others bought for this run."""
        context = self.engine.context
        return await context.services.read(outstanding.bought_on, context.budget_run_id)

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
        context, had = self.engine.context, False
        while not self.engine.halted:
            if await self._has_host_ended():
                return False
            await self._take_over()
            if not await context.services.read(self._under_way):
                break
            had = True
            context.stats.stage = "Waiting for other workers"
            await self._wait(context.services.waits.others)
        had, self._took_over = had or self._took_over, False
        return had

    def _under_way(self, session: Session) -> int:
        context = self.engine.context
        provider = context.services.provider
        return outstanding.under_way_elsewhere(
            session,
            budget_run_id=context.budget_run_id,
            run_id=context.run_id,
            given_up_before=provider.clock() - provider.patience,
        )

    async def _take_over(self) -> None:
        context = self.engine.context
        async with self._taking:
            await end_dead_runs(context)
            if not await is_anything_left(context):
                return
            found = await take_over(context)
            self._took_over = True
        self.group.create_task(self.engine.collect(found))

    async def _has_host_ended(self) -> bool:
        """Whether the run that is shared said that it ended; one that died is finished without."""
        if not self.is_guest:
            return False
        context = self.engine.context
        host = await context.services.read(runs.shared, context.budget_run_id)
        return host is None or host.has_ended

    async def _wait(self, seconds: float) -> None:
        """Wait, but not longer than until the run is asked to stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.engine.context.runner.stop_asked.wait()


async def count_others(context: RunContext) -> None:
    """Count what others completed for this run."""
    context.stats.analyses.completed_by_others = await context.services.read(
        outstanding.completed_elsewhere,
        budget_run_id=context.budget_run_id,
        run_id=context.run_id,
    )
