"""A command that takes a while: its question before money is spent, its progress, and its stop.

Without a terminal nothing is asked and nothing is shown until it is done.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from catalog.money import show
from catalog.planning import Plan
from flows.cli.output import exit_now
from flows.cli.progress import Progress
from flows.cli.text import INTERRUPTED, complain, counted, facts
from flows.pings import with_pings
from flows.pipeline.report import RunReport
from flows.pipeline.request import RunRequest
from flows.pipeline.runner import LocalRunner, RunContext
from flows.settings import Settings, read_settings
from flows.wiring import open_services
from tasks.runtime.stats import RunStats


def can_ask() -> bool:
    """Tell whether there is somebody to be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


class AskingRunner(LocalRunner):
    """Somebody sits at a terminal."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress

    async def agree(self, plan: Plan, stats: RunStats) -> bool:
        """Show the quote and ask; what is free is not asked about."""
        if not plan.planned_micros:
            return True
        self._progress.pause()
        try:
            console = self._progress.console
            console.print("This would be bought:", style="bold")
            console.print(facts(quoted(plan, stats)))
            console.print("Go? [y/N] ", end="")
            answer = await self._line()
        finally:
            self._progress.go_on()
        return answer.strip().lower() in {"y", "yes"}

    async def _line(self) -> str:
        """Read a line; an empty one if the run is interrupted meanwhile."""
        loop = asyncio.get_running_loop()
        line: asyncio.Future[str] = loop.create_future()

        def read() -> None:
            if not line.done():
                line.set_result(sys.stdin.readline())

        stopped = asyncio.ensure_future(self.stop_asked.wait())
        loop.add_reader(sys.stdin.fileno(), read)
        try:
            either: list[asyncio.Future[Any]] = [line, stopped]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            loop.remove_reader(sys.stdin.fileno())
            stopped.cancel()
        return line.result() if line.done() else ""


def quoted(plan: Plan, stats: RunStats) -> dict[str, str]:
    """Word a plan's price, the most important number first."""
    videos = len({job.left.video_id for job in plan.jobs})
    analyses = counted(len(plan.jobs), "analysis", "analyses")
    rows = {
        "costs": f"{show(plan.planned_micros)} at most, and never more",
        "for": f"{analyses} of {counted(videos, 'video')}",
    }
    if stats.money.budget is not None:
        rows["budget"] = show(stats.money.budget)
    if plan.over_budget:
        left = counted(len(plan.over_budget), "analysis", "analyses")
        over = plan.quoted_micros - plan.planned_micros
        rows["left out"] = f"{left} for {show(over)}, over the budget"
    return rows


Begin = Callable[[RunRequest, RunContext], Awaitable[RunReport]]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
#: How long what was cancelled may take to end. Something may wait for a server that has died.
_PATIENCE_SECONDS = 3.0


def work(
    begin: Begin,
    request: RunRequest,
    *,
    ask: bool,
    settings: Settings | None = None,
    pings: bool = False,
) -> RunReport:
    """Do it to its end.

    `ask`: show what is about to be spent and ask, where there is somebody to be asked.
    `pings`: tell REELCAT_PING_URL of it.

    Raises:
        KeyboardInterrupt: if it was interrupted twice.
    """
    settings = settings or read_settings()
    working = partial(_work, begin, request, settings, ask=ask)
    try:
        return asyncio.run(with_pings(settings, working) if pings else working())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _work(begin: Begin, request: RunRequest, settings: Settings, *, ask: bool) -> RunReport:
    stats = RunStats()
    stats.notices.extend(settings.unread)
    with Progress(stats) as progress:
        runner = AskingRunner(progress) if ask and can_ask() else LocalRunner()
        with _interruptible(runner, progress):
            async with open_services(settings, request) as services:
                context = RunContext(
                    settings=settings, services=services, runner=runner, stats=stats
                )
                return await begin(request, context)


@contextmanager
def _interruptible(runner: LocalRunner, progress: Progress) -> Iterator[None]:
    """Let the first SIGINT or SIGTERM stop in good order, and the second at once."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()

    def interrupt() -> None:
        if not runner.stop_asked.is_set():
            runner.stop()
            progress.say(
                "Stopping: nothing new is submitted, what is out is collected for a moment and "
                "then left to the next run. Once more stops at once."
            )
        elif task is not None:
            task.cancel()
            loop.call_later(_PATIENCE_SECONDS, _leave, progress)

    for one in _SIGNALS:
        loop.add_signal_handler(one, interrupt)
    try:
        yield
    finally:
        for one in _SIGNALS:
            loop.remove_signal_handler(one)


def _leave(progress: Progress) -> None:
    """End this process now: what is in the catalog is whole at any time."""
    progress.pause()
    complain("Interrupted.")
    exit_now(INTERRUPTED)
