"""How work grows with the archive: the first scan, one that finds nothing new, describing all.

Files are empty and their videos in the catalog, so that what is measured is reelcat and no disk or
FFmpeg: "first scan" lists into a catalog without them. Describing plans, holds, submits, polls and
records at a provider that takes a second each and as many as come, 500 at once. Everything runs in
a process of its own.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from typing import Any

import archive
import engines
from engines import Load
from meter import Cost, alone, metered
from provider import canned
from tables import table

from flows.pipeline.ingest import ingest
from flows.pipeline.request import RunRequest
from flows.pipeline.runner import LocalRunner, RunContext
from flows.settings import Settings
from flows.wiring import open_services
from tasks.discover import discover
from tasks.runtime.stats import RunStats
from tasks.storage.filters import Filter, Selection
from tasks.storage.source import parse_source

_SIZES = [int(size) for size in os.environ.get("BENCH_SIZES", "1000,10000,100000").split(",")]


def main() -> str:
    """Measure each size and give the table."""
    rows: list[tuple[Any, ...]] = []
    for size in _SIZES:
        with tempfile.TemporaryDirectory(prefix="reelcat-bench-") as place:
            folder = Path(place, "videos")
            known, fresh = (f"sqlite:///{place}/{name}.db" for name in ("known", "fresh"))
            archive.build(folder, known, videos=size, endpoint="http://127.0.0.1:9")
            for what, work, url in (
                ("first scan", first_scan, fresh),
                ("rescan", rescan, known),
            ):
                rows.append(_row(what, size, alone(work, str(folder), url)))
        rows.append(_row("describing", size, asyncio.run(_describing(size))))
    rows.sort(key=lambda row: (row[0], row[1]))
    headings = ["what", "videos", "wall s", "wall µs each", "CPU µs each", "peak MB", "load"]
    return table(headings, rows)


def _row(what: str, size: int, cost: Cost) -> tuple[Any, ...]:
    wall, cpu = (1e6 * seconds / size for seconds in (cost.wall_seconds, cost.cpu_seconds))
    return what, size, cost.wall_seconds, wall, cpu, cost.peak_mb, cost.load


async def _describing(size: int) -> Cost:
    async with canned(mean_seconds=1) as sandbox:
        load = Load(
            base_url=sandbox.base_url,
            api_key=sandbox.api_key,
            count=size,
            in_flight=500,
            poll_gap=0.3,
            tier=None,
        )
        return await asyncio.to_thread(alone, engines.reelcat, load)


async def first_scan(folder: str, url: str) -> Cost:
    """List a folder that the catalog does not know."""
    stats = RunStats()
    request = RunRequest.of(sources=(folder,), provider="offline")
    settings = Settings(_env_file=None, database_url=url)
    async with open_services(settings, request) as services, metered() as cost:
        await discover(parse_source(folder), Selection(names=Filter()), services, stats)
    assert stats.videos.new == stats.videos.found > 0
    return cost


async def rescan(folder: str, url: str) -> Cost:
    """List a folder that the catalog knows, and count what is there."""
    stats = RunStats()
    request = RunRequest.of(sources=(folder,), provider="offline")
    settings = Settings(_env_file=None, database_url=url)
    async with open_services(settings, request) as services, metered() as cost:
        selection = Selection(names=Filter())
        context = RunContext(
            settings=settings, services=services, runner=LocalRunner(), stats=stats
        )
        await ingest([parse_source(folder)], selection, context)
    assert stats.videos.unchanged == stats.videos.found > 0
    return cost
