"""What is going on, while it goes on: a few lines at the foot of a terminal.

Only reads the counts, four times a second. Shows nothing where stderr is no terminal.
"""

from __future__ import annotations

import os
import time
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner

from catalog.money import show
from flows.cli.text import errors, facts, one_line, said
from tasks.runtime.stats import RunStats

_A_SECOND = 4


class Progress:
    """Shows the counts for as long as the block lasts."""

    def __init__(self, stats: RunStats) -> None:
        self._stats = stats
        self._began = time.monotonic()
        self._console = errors()
        self._spinner = Spinner("dots")
        shown = self._console.is_terminal and os.environ.get("TERM") != "dumb"
        self._live = (
            Live(
                get_renderable=self._render,
                console=self._console,
                refresh_per_second=_A_SECOND,
                transient=True,
                redirect_stdout=False,
            )
            if shown
            else None
        )

    @property
    def console(self) -> Console:
        """Where to print what concerns the work but is not its result."""
        return self._console

    def say(self, sentence: str) -> None:
        """Say something above the progress."""
        self._console.print(said(sentence))

    def pause(self) -> None:
        """Leave the terminal to a question."""
        if self._live is not None:
            self._live.stop()

    def go_on(self) -> None:
        """Take the terminal back after `pause`."""
        if self._live is not None:
            self._live.start()

    def __enter__(self) -> Self:
        self.go_on()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.pause()

    def _render(self) -> RenderableType:
        seconds = int(time.monotonic() - self._began)
        stage = one_line(self._stats.stage or "Starting")
        self._spinner.update(text=said(f"{stage}  {seconds // 60}:{seconds % 60:02}", "bold"))
        return Group(self._spinner, facts(counts(self._stats)))


def counts(stats: RunStats) -> dict[str, str]:
    """Word what has been done so far; what is nothing is left out.

    >>> from tasks.runtime.stats import RunStats, VideoStats
    >>> counts(RunStats(videos=VideoStats(found=3, new=1)))
    {'videos': '3 found · 1 new'}
    """
    videos, analyses, money = stats.videos, stats.analyses, stats.money
    rows = {
        "videos": _each(
            (videos.found, "found"),
            (videos.new, "new"),
            (videos.changed, "changed"),
            (videos.probed, "measured"),
            (videos.unreadable, "unreadable"),
        ),
        "analyses": _each(
            (analyses.wanted, "wanted"),
            (analyses.done_before, "done before"),
            (analyses.submitted, "submitted"),
            (analyses.completed, "completed"),
            (analyses.collected, "collected"),
            (analyses.failed, "failed"),
            (analyses.over_budget, "over budget"),
        ),
        "money": f"{show(money.planned)} planned" if money.planned else "",
    }
    return {label: line for label, line in rows.items() if line}


def _each(*counted: tuple[int, str]) -> str:
    return " · ".join(f"{count:,} {word}" for count, word in counted if count)
