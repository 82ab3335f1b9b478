"""Asking before money is spent."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from catalog.money import show
from catalog.planning import Plan
from flows.cli.progress import Progress
from flows.cli.tables import facts
from flows.cli.wording import counted
from flows.door import PlainDoor
from tasks.tally import Tally


def can_ask() -> bool:
    """Tell whether there is somebody to be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


class AskingDoor(PlainDoor):
    """Somebody sits at a terminal."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress

    async def agree(self, plan: Plan, tally: Tally) -> bool:
        """Show the quote and ask; what is free is not asked about."""
        if not plan.planned_micros:
            return True
        self._progress.pause()
        try:
            console = self._progress.console
            console.print("This would be bought:", style="bold")
            console.print(facts(quoted(plan, tally)))
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


def quoted(plan: Plan, tally: Tally) -> dict[str, str]:
    """Word a plan's price, the most important number first."""
    videos = len({job.left.video_id for job in plan.jobs})
    analyses = counted(len(plan.jobs), "analysis", "analyses")
    rows = {
        "costs": f"{show(plan.planned_micros)} at most, and never more",
        "for": f"{analyses} of {counted(videos, 'video')}",
    }
    if tally.money.budget is not None:
        rows["budget"] = show(tally.money.budget)
    if plan.over_budget:
        left = counted(len(plan.over_budget), "analysis", "analyses")
        over = plan.quoted_micros - plan.planned_micros
        rows["left out"] = f"{left} for {show(over)}, over the budget"
    return rows
