"""Recording: a run's own row in the catalog, from its first step to its last sign of life."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import uuid
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy.orm import Session

from catalog import budgets, runs
from catalog.errors import AccountStopped, CatalogError
from catalog.money import dollars, parse_dollars
from catalog.values import RunStatus
from flows.pipeline.report import RunReport
from flows.pipeline.request import RunOptions
from tasks.foundation.events import about, tell
from tasks.foundation.processes import this_process
from tasks.runtime.services import Services
from tasks.runtime.stats import RunStats

#: So many signs of life come between two lines of progress in the log.
_BEATS_A_LINE = 3


@dataclass(kw_only=True, slots=True)
class Record:
    """A run that is being recorded; whoever runs it puts the report in at the end."""

    run_id: str
    report: RunReport | None = None


@asynccontextmanager
async def recorded(
    command: str, options: RunOptions, services: Services, stats: RunStats
) -> AsyncIterator[Record]:
    """Write down that a run begins, give signs of life, and write down how it ended."""
    record = Record(run_id=str(uuid.uuid4()))
    outcome = RunStatus.INTERRUPTED
    with about(run=record.run_id):
        await services.writer.apply(
            partial(_start, record=record, command=command, options=options, services=services)
        )
        tell(
            "run.started",
            command=command,
            sources=len(options.sources),
            flow_run=options.flow_run_id,
        )
    try:
        with about(run=record.run_id):
            async with background(_beat(record.run_id, services, stats)):
                yield record
        if record.report is not None:
            outcome = record.report.status
    except AccountStopped:
        outcome = RunStatus.ACCOUNT_STOPPED
        raise
    finally:
        await asyncio.shield(
            services.writer.apply(
                partial(
                    runs.finish,
                    run_id=record.run_id,
                    outcome=outcome,
                    counts={"videos": asdict(stats.videos), "analyses": asdict(stats.analyses)},
                    now=services.clock(),
                )
            )
        )
        tell("run.ended", run=record.run_id, outcome=outcome, **_counts(stats))


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


def _start(
    session: Session, record: Record, command: str, options: RunOptions, services: Services
) -> None:
    runs.start(
        session,
        record.run_id,
        command=command,
        parameters=_parameters(options) | {"account": services.provider.account},
        process=this_process(),
        flow_run_id=options.flow_run_id,
        now=services.clock(),
    )
    own = None if options.shares else options.budget_micros
    budgets.open_run(session, f"run:{record.run_id}", own)


def _parameters(options: RunOptions) -> dict[str, Any]:
    """Give the options as JSON holds them; none of them is a secret."""
    shown = asdict(options)
    del shown["flow_run_id"]
    budget = shown.pop("budget_micros")
    return shown | {"budget_usd": None if budget is None else str(dollars(budget))}


def options_of_record(
    parameters: Mapping[str, Any], *, shares: str, sources: Sequence[str], flow_run_id: str | None
) -> RunOptions:
    """Give the options of a run that shares the one with these parameters.

    `sources` are those of its sources that are meant; empty for all.
    """
    budget = parameters.get("budget_usd")
    return TypeAdapter(RunOptions).validate_python(
        {
            **parameters,
            "sources": sources or parameters["sources"],
            "budget_micros": None if budget is None else parse_dollars(budget, setting="budget"),
            "shares": shares,
            "flow_run_id": flow_run_id,
        }
    )


async def _beat(run_id: str, services: Services, stats: RunStats) -> None:
    """Give signs of life; one that cannot be written is followed by the next one all the same.

    A run that gave none any more would be taken for dead while it goes on.
    """
    for beat in itertools.count(1):
        await asyncio.sleep(services.waits.beat)
        try:
            await services.writer.apply(partial(runs.beat, run_id=run_id, now=services.clock()))
        except CatalogError as error:
            tell("run.beat_failed", logging.WARNING, reason=error)
        if beat % _BEATS_A_LINE == 0:
            tell("run.progress", stage=stats.stage, **_counts(stats))


@asynccontextmanager
async def background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Let something run beside a block, and end it with the block."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
