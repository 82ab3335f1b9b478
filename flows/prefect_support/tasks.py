"""The tasks that Prefect shows: one for each step of a run. A task run is a batch, never one video.

Other workers are called through Prefect, too: each call is a flow run of the deployment `join`, and
whichever worker is free takes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, ParamSpec, TypeAlias, TypeVar

import httpx
from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.deployments import arun_deployment
from prefect.exceptions import ObjectNotFound, PrefectException
from prefect.logging import get_run_logger

from catalog.planning import Plan
from flows.pipeline.runner import Runner, Step
from tasks.foundation.redaction import redact
from tasks.runtime.stats import RunStats

T = TypeVar("T")
P = ParamSpec("P")
R = TypeVar("R")

#: A server that is silent holds up a run for this long. One on a busy machine takes seconds for
#: each call.
_PATIENCE_SECONDS = 10.0

#: The deployments, by flow and name, whose runs join one that was started. The second is what
#: version 0.1 called it; it may still be all that a server knows.
JOIN = "join-run/join"
_EARLIER_JOIN = "help-out/help"

Work: TypeAlias = Callable[[], Awaitable[Any]]


def _task_of(step: Step) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Decorate the task of a step. Nothing of it is cached or kept: the catalog knows what is left.

    `label` is the name of a task run on Prefect's page. It has no tags: Prefect 3.8 asks its server
    for a slot of each tag before it begins, and a server that is busy (503) would fail the run.
    """
    return task(
        name=step.value,
        task_run_name="{label}",
        cache_policy=NO_CACHE,
        persist_result=False,
    )


@_task_of(Step.DISCOVER)
async def discover(label: str, work: Work) -> Any:
    """List one source and compare it with the catalog."""
    return await work()


@_task_of(Step.PROBE)
async def probe(label: str, work: Work) -> Any:
    """Measure a batch of new files."""
    return await work()


@_task_of(Step.PREDICT)
async def predict(label: str, work: Work) -> Any:
    """Buy a batch of analyses."""
    return await work()


@_task_of(Step.COLLECT)
async def collect(label: str, work: Work) -> Any:
    """Collect what earlier runs left at the provider."""
    return await work()


@_task_of(Step.SETTLE)
async def settle(label: str, work: Work) -> Any:
    """Compare with the provider's bill."""
    return await work()


#: By the key or name of a step a person can filter and time its batches.
TASKS = {
    Step.DISCOVER: discover,
    Step.PROBE: probe,
    Step.PREDICT: predict,
    Step.COLLECT: collect,
    Step.SETTLE: settle,
}


class PrefectRunner:
    """Shows batches to Prefect and calls workers there; leaves the rest to the runner behind it."""

    def __init__(self, behind: Runner, *, others: int = 0) -> None:
        self._behind = behind
        #: How many other workers are called.
        self._others = others

    async def batch(self, step: Step, label: str, work: Callable[[], Awaitable[T]]) -> T:
        """Do it as a run of the step's task."""
        done: T = await TASKS[step](redact(label), partial(self._behind.batch, step, label, work))
        return done

    async def agree(self, plan: Plan, stats: RunStats) -> bool:
        """Ask whoever started it."""
        return await self._behind.agree(plan, stats)

    async def call_others(self, run_id: str, sources: Sequence[str], stats: RunStats) -> None:
        """Ask Prefect for as many runs of the deployment `join`; the run goes on without them."""
        if not self._others:
            return
        get_run_logger().info("Calling %d other workers for run %s", self._others, run_id)
        called = 0
        try:
            for called in range(self._others):
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    await _call(run_id, sources, number=called + 2)
        except (httpx.HTTPError, PrefectException, OSError) as error:
            which = (
                f"Only {called} of {self._others} other workers" if called else "No other worker"
            )
            stats.notices.append(
                f"{which} could be called ({type(error).__name__}), so the run went on without; is "
                "the deployment `join` there? `prefect deploy --all` makes it."
            )

    @property
    def stop_asked(self) -> asyncio.Event:
        """Set by the runner behind."""
        return self._behind.stop_asked


async def _call(run_id: str, sources: Sequence[str], number: int) -> None:
    """Ask for one run that joins another, as its worker of this number."""
    for deployment in (JOIN, _EARLIER_JOIN):
        try:
            await arun_deployment(
                deployment,
                parameters={"sharing": {"run_id": run_id, "sources": list(sources)}},
                idempotency_key=f"{run_id}-{number}",
                timeout=0,
                as_subflow=False,
            )
        except ObjectNotFound:
            if deployment == _EARLIER_JOIN:
                raise
        else:
            return
