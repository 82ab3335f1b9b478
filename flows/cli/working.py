"""Doing what takes a while: with progress on a terminal, and with an orderly way to stop.

Without a terminal nothing is shown until it is done, and nobody is asked.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from flows.cli.asking import AskingDoor, can_ask
from flows.cli.exit import exit_now
from flows.cli.progress import Progress
from flows.cli.terminal import INTERRUPTED, complain
from flows.door import Door, PlainDoor
from flows.options import RunOptions
from flows.report import RunReport
from flows.settings import Settings, read_settings
from flows.wiring import open_services
from tasks.services import Services
from tasks.tally import Tally

Begin = Callable[[RunOptions, Settings, Services, Door, Tally], Awaitable[RunReport]]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
#: How long what was cancelled may take to end. Something may wait for a server that has died.
_PATIENCE_SECONDS = 3.0


def work(
    begin: Begin, options: RunOptions, *, ask: bool, settings: Settings | None = None
) -> RunReport:
    """Do it to its end.

    `ask`: show what is about to be spent and ask, where there is somebody to be asked.

    Raises:
        KeyboardInterrupt: if it was interrupted twice.
    """
    try:
        return asyncio.run(_work(begin, options, settings or read_settings(), ask=ask))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _work(begin: Begin, options: RunOptions, settings: Settings, *, ask: bool) -> RunReport:
    tally = Tally()
    tally.notices.extend(settings.unread)
    with Progress(tally) as progress:
        door = AskingDoor(progress) if ask and can_ask() else PlainDoor()
        with _interruptible(door, progress):
            async with open_services(settings, options) as services:
                return await begin(options, settings, services, door, tally)


@contextmanager
def _interruptible(door: PlainDoor, progress: Progress) -> Iterator[None]:
    """Let the first SIGINT or SIGTERM stop in good order, and the second at once."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()

    def interrupt() -> None:
        if not door.stop_asked.is_set():
            door.stop()
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
