"""Artifacts: what Prefect's page shows of a run while it goes on, and after it has ended.

They are a courtesy. A server that does not take them stops no run. File names and reasons come from
strangers: secrets are masked in them, and no markup of theirs is read.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
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

from catalog.budget_limits import BudgetUsage
from catalog.errors import ReelcatError
from catalog.money import show
from catalog.values import RunStatus
from catalog.visible import visible_on_one_line
from flows.pipeline.report import RunReport
from flows.pipeline.run_record import background
from tasks.foundation.redaction import redact
from tasks.runtime.stats import Issue, RunStats
from tasks.storage.uris import displayed, path_of

#: Failures that are named; a page with thousands of rows helps nobody.
MOST_FAILURES = 100

_MARKUP = re.compile(r"([\\`*_{}\[\]<>()#+!|~])")


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """How a run ended, well or badly."""

    sentence: str
    stats: RunStats
    usages: tuple[BudgetUsage, ...]
    #: Whether the run's charged and held money is known; it is counted at a run's very end.
    counted: bool


def sentence_of(report: RunReport) -> str:
    """Say how a run ended."""
    stats = report.stats
    failed = len(stats.failures)
    also = (
        f" {failed:,} {'thing needs' if failed == 1 else 'things need'} a look." if failed else ""
    )
    match report.status:
        case RunStatus.COMPLETED | RunStatus.COMPLETED_WITH_FAILURES:
            return f"Done.{also}"
        case RunStatus.BUDGET_REACHED:
            left = stats.analyses.over_budget
            which = "analysis is" if left == 1 else "analyses are"
            return f"Done as far as the budget goes; {left:,} {which} left for the next run.{also}"
        case RunStatus.ACCOUNT_STOPPED:
            return plain(report.stopped_by or "Stopped by the account; `reelcat doctor` says why.")
        case RunStatus.INTERRUPTED:
            return f"Interrupted; the next run goes on from here.{also}"


def sentence_of_error(error: BaseException) -> str:
    """Say how a run ended that gave no report."""
    if isinstance(error, ReelcatError):
        return plain(str(error))
    if isinstance(error, Exception):
        return "It ended with a bug; the flow run's log shows it. The next run goes on from here."
    return "Cancelled. What is still out is collected by the next run, or by reconcile."


def percent(stats: RunStats) -> float:
    """Give how far a run has come, from 0 to 100: of what it planned, what is decided.

    0 as long as it is not known what there is to do.
    """
    counts = stats.analyses
    decided = counts.completed + counts.completed_by_others + counts.failed
    return min(100.0, 100.0 * decided / counts.planned) if counts.planned else 0.0


def progress_line(stats: RunStats) -> str:
    """Say in a line what a run is doing and what it has done."""
    facts = [line for _, line in _counts(stats) if line]
    return " — ".join([plain(stats.stage or "Starting"), *facts])


def page(ending: Ending) -> str:
    """Write the report as Markdown, the most important first."""
    stats = ending.stats
    facts = [("money", _money(ending)), *_counts(stats)]
    troubles = [(row["what"], row["why"]) for row in failure_rows(stats.failures)]
    parts = [
        f"**{escaped(ending.sentence)}**",
        _table(("", ""), [(label, value) for label, value in facts if value]),
        "\n".join(f"- {escaped(notice)}" for notice in stats.notices[:MOST_FAILURES]),
        _table(("needs a look", "why"), troubles),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def spending_rows(usages: Iterable[BudgetUsage]) -> list[dict[str, str]]:
    """Lay out what is committed under each budget, held money included."""
    return [
        {
            "budget": _scope(usage.scope),
            "limit": "none" if usage.limit_micros is None else show(usage.limit_micros),
            "committed": show(usage.committed_micros),
            "free": "" if usage.free_micros is None else show(usage.free_micros),
        }
        for usage in usages
    ]


def failure_rows(failures: Sequence[Issue]) -> list[dict[str, str]]:
    """Lay out what needs a look, at most `MOST_FAILURES`, and how many more there are."""
    rows = [
        {"what": plain(_place(one.what)), "why": plain(one.reason), "kind": plain(one.kind)}
        for one in failures[:MOST_FAILURES]
    ]
    more = len(failures) - MOST_FAILURES
    if more > 0:
        why = "Not named here; `reelcat status` counts them and the export has them all."
        rows.append({"what": f"… and {more:,} more", "why": why, "kind": ""})
    return rows


def plain(text: str) -> str:
    r"""Make a stranger's text one line without secrets; what cannot be seen is spelled out.

    >>> plain("a\nb\x1b[31m https://store.example/a.mp4?X-Amz-Signature=0a1b")
    'a b\\x1b[31m https://store.example/a.mp4?***'
    """
    return visible_on_one_line(redact(text))


def escaped(text: str) -> str:
    r"""Make a stranger's text safe in Markdown, inside a table too.

    >>> print(escaped("a|b [c](d) <img>"))
    a\|b \[c\]\(d\) \<img\>
    """
    return _MARKUP.sub(r"\\\1", plain(text))


def _table(headings: tuple[str, str], rows: Sequence[tuple[str, str]]) -> str:
    lines = [headings, ("---", "---"), *((escaped(one), escaped(other)) for one, other in rows)]
    return "\n".join(f"| {one} | {other} |" for one, other in lines) if rows else ""


def _counts(stats: RunStats) -> list[tuple[str, str]]:
    videos, analyses = stats.videos, stats.analyses
    return [
        (
            "videos",
            _each(
                (videos.found, "found"),
                (videos.new, "new"),
                (videos.changed, "changed"),
                (videos.probed, "measured"),
                (videos.unreadable, "unreadable"),
                (videos.missing, "missing"),
            ),
        ),
        (
            "analyses",
            _each(
                (analyses.wanted, "wanted"),
                (analyses.done_before, "done before"),
                (analyses.submitted, "submitted"),
                (analyses.completed, "completed"),
                (analyses.collected, "collected from earlier runs"),
                (analyses.completed_by_others, "completed by other workers"),
                (analyses.failed, "failed"),
                (analyses.uncertain, "uncertain"),
                (analyses.over_budget, "over the budget"),
                (analyses.left_running, "left running"),
            ),
        ),
    ]


def _each(*counts: tuple[int, str]) -> str:
    return ", ".join(f"{count:,} {word}" for count, word in counts if count)


def _money(ending: Ending) -> str:
    money = ending.stats.money
    parts = [f"{show(money.planned)} planned at most"] if money.planned else []
    if ending.counted:
        parts += [f"{show(money.charged)} charged", f"{show(money.held)} held"]
    if money.budget is not None:
        parts.append(f"of a budget of {show(money.budget)}")
    if money.instead is not None:
        parts.append(f"Molmo2 would have cost {show(money.instead)} at most")
    return ", ".join(parts)


def _scope(scope: str) -> str:
    kind, _, name = scope.partition(":")
    return "this run" if kind == "run" else f"{kind} {name}"


def _place(what: str) -> str:
    return displayed(path_of(what)) if what.startswith("file://") else what


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
    stats: RunStats
    #: Reads how the budgets stand; the id is the run's, where it is known.
    usages: Callable[[str | None], Awaitable[tuple[BudgetUsage, ...]]]
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
                    0.0, f"{board.name}-progress", description=escaped(progress_line(board.stats))
                )
            )
    return None


async def _follow(board: Board, progress: UUID | None) -> None:
    """Keep the progress artifact true, and log each stage once."""
    logger = get_run_logger()
    stage = ""
    while True:
        if board.stats.stage != stage:
            stage = board.stats.stage
            logger.info("%s", progress_line(board.stats))
        await asyncio.sleep(UPDATE_SECONDS)
        if progress is not None:
            line = escaped(progress_line(board.stats))
            await _tolerated(aupdate_progress_artifact(progress, percent(board.stats), line))


async def _put_up(board: Board, progress: UUID | None, sentence: str) -> None:
    """Write the report, the budgets and the failures."""
    report = board.report
    usages = await board.usages(None if report is None else report.run_id)
    ending = Ending(sentence=sentence, stats=board.stats, usages=usages, counted=report is not None)
    done = percent(board.stats) if report is None else 100.0
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
            spending_rows(ending.usages),
            f"{prefix}spending",
            description="What is committed under each budget, money on hold included.",
        )
    )
    failures = failure_rows(ending.stats.failures)
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
