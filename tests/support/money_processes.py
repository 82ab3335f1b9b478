"""Runs that die: a helper process that forks one child for each order, and how to speak to it.

A fresh Python takes a second to import a run's modules; a fork of one that has them takes none. The
helper has no threads, so that its children are whole. As a script it is the helper.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from money_world import HASTY, SOON, MovingClock, World, settings_for

from flows.pipeline.reconcile import Acknowledge
from flows.wiring import Tempo
from tasks.foundation import crashpoints
from tasks.sandbox.server import RunningSandbox

KILLED = -signal.SIGKILL


@dataclass(frozen=True, kw_only=True)
class Order:
    """One run of a child."""

    folder: str
    catalog_url: str
    base_url: str
    api_key: str
    #: `run`, or `reconcile`.
    command: str = "run"
    #: Where to die, and at which pass; None for nowhere.
    point: str | None = None
    passes: int = 1
    #: Where to write down the points that are passed; None for nowhere.
    log: str | None = None
    #: How far the child's clock is ahead.
    ahead_seconds: float = 0
    retry_failed: bool = False
    assume_lost: tuple[int, ...] = ()
    acknowledge: bool = False


class Forks:
    """The helper, seen from a test."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __call__(self, order: Order) -> int:
        """Let a child carry an order out; gives its exit code, `KILLED` if it was killed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def forking() -> Iterator[Forks]:
    """Run the helper for as long as the block lasts."""
    here = Path(__file__)
    paths = [str(here.parent), str(here.parents[2]), os.environ.get("PYTHONPATH", "")]
    process = subprocess.Popen(
        [sys.executable, str(here)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
    )
    try:
        yield Forks(process)
    finally:
        process.stdin.close()  # type: ignore[union-attr]  # it was opened above
        process.stdout.close()  # type: ignore[union-attr]  # as well
        process.wait(30)


def _carry_out(order: Order) -> int:
    if order.log is not None:
        crashpoints.record_to(order.log)
    if order.point is not None:
        crashpoints.arm(order.point, passes=order.passes)
    clock = MovingClock()
    clock.advance(timedelta(seconds=order.ahead_seconds))
    sandbox = RunningSandbox(base_url=order.base_url, api_key=order.api_key)
    world = World(
        folder=Path(order.folder),
        catalog_url=order.catalog_url,
        sandbox=sandbox,
        clock=clock,
        settings=settings_for(sandbox, order.catalog_url),
        tempo=Tempo(clock=clock, waits=SOON, requests=HASTY),
    )
    if order.command == "run":
        work = world.run(check=False, retry_failed=order.retry_failed)
    else:
        work = world.reconcile(
            check=False,
            assume_lost=order.assume_lost,
            acknowledge=Acknowledge.DRIFT if order.acknowledge else Acknowledge.NOTHING,
        )
    return asyncio.run(work).exit_code


def _serve() -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            code = 70
            try:
                values: dict[str, Any] = json.loads(line)
                code = _carry_out(Order(**values | {"assume_lost": tuple(values["assume_lost"])}))
            finally:
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
