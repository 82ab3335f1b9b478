"""Recording: a run's own row in the catalog, from its first step to its last sign of life."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy.orm import Session
from structlog.contextvars import bound_contextvars

from catalog import budgets, runs
from catalog.errors import AccountStopped, CatalogError
from catalog.values import RunStatus
from flows.pipeline.report import RunReport
from flows.pipeline.request import RunRequest, stored
from flows.pipeline.runner import RunContext
from tasks.foundation.events import logger
from tasks.foundation.processes import this_process
from tasks.runtime.stats import RunStats

#: So many signs of life come between two lines of progress in the log.
_BEATS_A_LINE = 3


@dataclass(kw_only=True, slots=True)
class Record:
    """A run that is being recorded; whoever runs it puts the report in at the end."""

    report: RunReport | None = None


@asynccontextmanager
async def recorded(command: str, request: RunRequest, context: RunContext) -> AsyncIterator[Record]:
    """Write down that a run begins, give signs of life, and write down how it ended."""
    services, stats, run_id = context.services, context.stats, context.run_id
    record, outcome = Record(), RunStatus.INTERRUPTED
    with bound_contextvars(run=run_id):
        await services.write(_start, command=command, request=request, context=context)
        logger.info(
            "run.started",
            command=command,
            sources=len(request.videos.sources),
            flow_run=context.flow_run_id,
        )
    try:
        with bound_contextvars(run=run_id):
            async with background(_beat(context)):
                yield record
        if record.report is not None:
            outcome = record.report.status
    except AccountStopped:
        outcome = RunStatus.ACCOUNT_STOPPED
        raise
    finally:
        await asyncio.shield(
            services.write(
                runs.finish,
                run_id=run_id,
                outcome=outcome,
                counts={"videos": asdict(stats.videos), "analyses": asdict(stats.analyses)},
                now=services.clock(),
            )
        )
        logger.info("run.ended", run=run_id, outcome=outcome, **_counts(stats))


def _counts(stats: RunStats) -> dict[str, int]:
    """Give what was done so far, as facts; what is nothing is left out."""
    counted = {
        "found": stats.videos.found,
        "probed": stats.videos.probed,
        "submitted": stats.analyses.submitted,
        "completed": stats.analyses.completed,
        "collected": stats.analyses.collected,
        "failed": stats.analyses.failed,
        "uncertain": stats.analyses.uncertain,
        "over_budget": stats.analyses.over_budget,
        "failures": len(stats.failures),
    }
    return {name: count for name, count in counted.items() if count}


def _start(session: Session, command: str, request: RunRequest, context: RunContext) -> None:
    services = context.services
    known = {"account": services.provider.account, "shares": context.shares}
    runs.start(
        session,
        context.run_id,
        command=command,
        parameters=stored(request) | known,
        process=this_process(),
        flow_run_id=context.flow_run_id,
        now=services.clock(),
    )
    own = None if context.shares else request.budget_micros
    budgets.open_run(session, f"run:{context.run_id}", own)


async def _beat(context: RunContext) -> None:
    """Give signs of life; one that cannot be written is followed by the next one all the same.

    A run that gave none any more would be taken for dead while it goes on.
    """
    services, stats = context.services, context.stats
    for beat in itertools.count(1):
        await asyncio.sleep(services.waits.beat)
        try:
            await services.write(runs.beat, run_id=context.run_id, now=services.clock())
        except CatalogError as error:
            logger.warning("run.beat_failed", reason=error)
        if beat % _BEATS_A_LINE == 0:
            logger.info("run.progress", stage=stats.stage, **_counts(stats))


@asynccontextmanager
async def background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Let something run during a block, and end it with the block."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
