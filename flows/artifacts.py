"""Artifacts: what Prefect's page shows of a run while it goes on, and after it has ended.

They are a courtesy. A server that does not take them is a warning in the log, never the end of a
run.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import httpx
from prefect.artifacts import (
    acreate_markdown_artifact,
    acreate_progress_artifact,
    acreate_table_artifact,
    aupdate_progress_artifact,
)
from prefect.exceptions import PrefectException
from prefect.logging import get_run_logger

from catalog.budget import Standing
from flows.morning_report import (
    Ending,
    escaped,
    failure_rows,
    page,
    percent,
    progress_line,
    sentence_of,
    sentence_of_error,
    spending_rows,
)
from flows.recording import background
from flows.report import RunReport
from tasks.tally import Tally

T = TypeVar("T")

#: Often enough to watch, and about a request in five seconds.
UPDATE_SECONDS = 5.0
#: What Prefect is told holds up neither the beginning nor the end of a run by more than this.
PATIENCE_SECONDS = 4.0


@dataclass(kw_only=True, slots=True)
class Board:
    """One run on Prefect's page; whoever runs it puts the report up at the end."""

    #: Begins the artifacts' keys, under which one run's follow the last's.
    name: str
    tally: Tally
    #: Reads how the budgets stand; the id is the run's, where it is known.
    standings: Callable[[str | None], Awaitable[tuple[Standing, ...]]]
    report: RunReport | None = None


@asynccontextmanager
async def shown(board: Board) -> AsyncIterator[Board]:
    """Show progress while the block lasts, and a report however it ends."""
    progress = await _create_progress(board)
    sentence = ""
    try:
        async with background(_follow(board, progress)):
            yield board
    except BaseException as error:
        sentence = sentence_of_error(error)
        raise
    finally:
        if board.report is not None:
            sentence = sentence_of(board.report)
        await _put_up(board, progress, sentence)


async def _create_progress(board: Board) -> UUID | None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await _tolerated(
                acreate_progress_artifact(
                    0.0, f"{board.name}-progress", description=escaped(progress_line(board.tally))
                )
            )
    return None


async def _follow(board: Board, progress: UUID | None) -> None:
    """Keep the progress artifact true, and log each stage once."""
    logger = get_run_logger()
    stage = ""
    while True:
        if board.tally.stage != stage:
            stage = board.tally.stage
            logger.info("%s", progress_line(board.tally))
        await asyncio.sleep(UPDATE_SECONDS)
        if progress is not None:
            line = escaped(progress_line(board.tally))
            await _tolerated(aupdate_progress_artifact(progress, percent(board.tally), line))


async def _put_up(board: Board, progress: UUID | None, sentence: str) -> None:
    """Write the report, the budgets and the failures."""
    report = board.report
    standings = await board.standings(None if report is None else report.run_id)
    ending = Ending(
        sentence=sentence, tally=board.tally, standings=standings, counted=report is not None
    )
    done = percent(board.tally) if report is None else 100.0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_SECONDS):
            await _send(ending, f"{board.name}-", progress, done)


async def _send(ending: Ending, prefix: str, progress: UUID | None, done: float) -> None:
    sentence = escaped(ending.sentence)
    if progress is not None:
        await _tolerated(aupdate_progress_artifact(progress, done, description=sentence))
    await _tolerated(acreate_markdown_artifact(page(ending), f"{prefix}report", sentence))
    await _tolerated(
        acreate_table_artifact(
            spending_rows(ending.standings),
            f"{prefix}spending",
            description="What is committed under each budget, money on hold included.",
        )
    )
    failures = failure_rows(ending.tally.failures)
    if failures:
        await _tolerated(
            acreate_table_artifact(
                failures, f"{prefix}failures", description="What needs a look, and why."
            )
        )


async def _tolerated(sending: Awaitable[T]) -> T | None:
    """Send something to Prefect; None, and a warning, if it does not take it."""
    try:
        return await sending
    except (httpx.HTTPError, PrefectException, OSError) as error:
        logging.getLogger(__name__).warning(
            "Prefect did not take an artifact (%s); the run goes on.", type(error).__name__
        )
        return None
