"""How a run that Prefect watches is run: each batch is one task run, never one video.

Other workers are called through Prefect, too: each call is a flow run of the deployment `help`, and
whichever worker is free takes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import httpx
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.deployments import arun_deployment
from prefect.exceptions import PrefectException
from prefect.logging import get_run_logger
from prefect.runtime import flow_run

from catalog.planning import Plan
from flows.pipeline.runner import Runner
from tasks.foundation.redaction import redact
from tasks.runtime.stats import RunStats

T = TypeVar("T")

#: A server that is silent holds up a run for this long.
_PATIENCE_SECONDS = 10.0

#: The deployment, by flow and name, whose runs share one that was started.
HELP = "help-out/help"


class PrefectRunner:
    """Shows batches to Prefect and calls workers there; leaves the rest to the runner behind it."""

    def __init__(self, behind: Runner, *, others: int = 0) -> None:
        self._behind = behind
        #: How many other workers are called.
        self._others = others

    async def batch(self, name: str, work: Callable[[], Awaitable[T]]) -> T:
        """Do it as a task run. Nothing of it is cached or kept: the catalog knows what is left."""

        # A function, because a name in text would be read as a template.
        @task(
            name="batch",
            task_run_name=lambda: redact(name),
            cache_policy=NO_CACHE,
            persist_result=False,
        )
        async def one_batch() -> T:
            return await self._behind.batch(name, work)

        return await one_batch()

    async def agree(self, plan: Plan, stats: RunStats) -> bool:
        """Ask whoever started it."""
        return await self._behind.agree(plan, stats)

    async def call_others(self, run_id: str, sources: Sequence[str], stats: RunStats) -> None:
        """Ask Prefect for as many runs of the deployment `help`; the run goes on without them."""
        if not self._others:
            return
        own = flow_run.name or run_id
        get_run_logger().info("Calling %d other workers for run %s", self._others, run_id)
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                for number in range(2, self._others + 2):
                    await arun_deployment(
                        HELP,
                        parameters={"sharing": {"run_id": run_id, "sources": list(sources)}},
                        flow_run_name=f"{own}-{number}",
                        idempotency_key=f"{run_id}-{number}",
                        timeout=0,
                        as_subflow=False,
                    )
        except (httpx.HTTPError, PrefectException, OSError) as error:
            stats.notices.append(
                f"No other worker could be called ({type(error).__name__}), so this one went on "
                "alone; is the deployment `help` there? `prefect deploy --all` makes it."
            )

    @property
    def stop_asked(self) -> asyncio.Event:
        """Set by the runner behind."""
        return self._behind.stop_asked
