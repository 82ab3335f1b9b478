"""What a piece of work costs: processor time of this process, waiting, memory, and loop lag.

Processor time is what `getrusage` says of this process and of its own that have ended, so a server
or a neighbour on the same machine does not count. Memory is that of this process and of its own
together. Every measurement carries the machine's load average.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_LAG_EVERY_SECONDS = 0.02
_CHILDREN_EVERY_SECONDS = 0.5


@dataclass(kw_only=True)
class Cost:
    """What some work took. Filled when its block has ended."""

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_mb: float = 0.0
    #: How late the event loop came back to a sleeping task.
    lag_p99_ms: float = 0.0
    lag_most_ms: float = 0.0
    #: One-minute load average at the end; with more than cores, wall times mean little.
    load: float = 0.0
    #: Whatever else a contender wants to tell.
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def core_share(self) -> float:
        """Processor time per second of wall time."""
        return self.cpu_seconds / self.wall_seconds if self.wall_seconds else 0.0


@contextlib.asynccontextmanager
async def metered() -> AsyncIterator[Cost]:
    """Measure a block of a coroutine."""
    cost, lags = Cost(), []
    watching = asyncio.create_task(_watch(lags))
    children = asyncio.create_task(_watch_children(cost))
    began, cpu_before = time.perf_counter(), cpu_seconds()
    try:
        yield cost
    finally:
        cost.wall_seconds = time.perf_counter() - began
        cost.cpu_seconds = cpu_seconds() - cpu_before
        watching.cancel()
        children.cancel()
        lags.sort()
        cost.lag_p99_ms = 1000 * lags[int(0.99 * len(lags))] if lags else 0.0
        cost.lag_most_ms = 1000 * lags[-1] if lags else 0.0
        cost.peak_mb += peak_mb()
        cost.load = os.getloadavg()[0]


async def _watch(lags: list[float]) -> None:
    while True:
        due = time.perf_counter() + _LAG_EVERY_SECONDS
        await asyncio.sleep(_LAG_EVERY_SECONDS)
        lags.append(max(0.0, time.perf_counter() - due))


async def _watch_children(cost: Cost) -> None:
    """Keep the most memory that the processes of this one have held at once."""
    while True:
        cost.peak_mb = max(cost.peak_mb, sum(_peak_mb_of(pid) for pid in _children()))
        await asyncio.sleep(_CHILDREN_EVERY_SECONDS)


def _children() -> list[str]:
    """Give the numbers of this process's own, where the system tells them."""
    lists = Path("/proc/self/task").glob("*/children")
    return [pid for one in lists for pid in one.read_text().split()]


def cpu_seconds() -> float:
    """User and system time so far: all threads of this process, and its own that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def peak_mb() -> float:
    """The most memory that this process has held so far.

    From /proc where there is one: what getrusage says includes the parent's before the child began.
    """
    if Path("/proc/self/status").exists():
        return _peak_mb_of("self")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _peak_mb_of(pid: str) -> float:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for line in Path("/proc", pid, "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0


def alone(contender: Callable[..., Awaitable[Cost]], *arguments: object) -> Cost:
    """Run a contender in a process of its own, so that nobody pays for another's memory."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
        return pool.submit(_run, contender, arguments).result()


def _run(contender: Callable[..., Awaitable[Cost]], arguments: tuple[object, ...]) -> Cost:
    return asyncio.run(contender(*arguments))  # type: ignore[arg-type]  # a coroutine function
