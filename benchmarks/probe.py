"""Looking at new files, with identity and catalog, against what only measures them.

Local: small clips in MP4, MOV and MKV, each with bytes of its own. Bare PyAV opens each in a pool
of threads and keeps nothing; `ffmpeg.probe` starts an ffprobe for each. reelcat lists the folder,
hashes and measures in child processes, and writes videos and search documents.

Bucket: what one object of about 200 MB costs, by layout, from a server on this machine. "Probe" is
measuring alone; "whole look" includes the samples by which content is known again: four of 256 KiB.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import canned
import ffmpeg
import films
from meter import Cost, alone, metered
from tables import table

from catalog.values import Listing
from flows.pipeline.ingest import ingest
from flows.pipeline.request import RunRequest
from flows.pipeline.runner import LocalRunner, RunContext
from flows.settings import Settings
from flows.wiring import open_services
from tasks.media.engine import Media
from tasks.media.inspect import InspectOptions, engines_for, inspect, probe
from tasks.media.tags import Whereabouts
from tasks.runtime.stats import RunStats
from tasks.storage.filters import Filter, Selection
from tasks.storage.registry import Stores
from tasks.storage.source import parse_source

_FILES = int(os.environ.get("BENCH_FILES", "10000"))
_FEW = 100


def main() -> str:
    """Measure both kinds of place and give two tables."""
    with tempfile.TemporaryDirectory(prefix="reelcat-bench-") as place:
        folder = Path(place, "clips")
        films.many(folder, _FILES)
        local = _local(folder)
        print(local, flush=True) if os.environ.get("BENCH_TALK") else None
        shutil.rmtree(folder)
        bucket = _bucket(Path(place))
    return f"{local}\n\n{bucket}"


def _local(folder: Path) -> str:
    contenders: list[tuple[str, Callable[..., Awaitable[Cost]], tuple[Any, ...]]] = [
        ("reelcat, with the catalog", reelcat, ()),
        ("bare PyAV, 2 threads", bare_pyav, (2,)),
        ("bare PyAV, 4 threads", bare_pyav, (4,)),
    ]
    if shutil.which("ffprobe"):
        contenders.append((f"ffmpeg.probe, {os.cpu_count()} threads, {_FEW} files", ffprobe, ()))
    costs = {name: alone(who, str(folder), *more) for name, who, more in contenders}
    speeds = {name: cost.more["files"] / cost.wall_seconds for name, cost in costs.items()}
    ours = speeds["reelcat, with the catalog"]
    rows = [
        (name, speeds[name], ours / speeds[name], cost.peak_mb, cost.load)
        for name, cost in costs.items()
    ]
    return table(["what", "files per second", "ours ÷ theirs", "peak MB", "load"], rows)


async def reelcat(folder: str) -> Cost:
    """List, look and write."""
    with tempfile.TemporaryDirectory(prefix="reelcat-bench-") as place:
        settings = Settings(_env_file=None, database_url=f"sqlite:///{place}/catalog.db")
        request = RunRequest.of(sources=(folder,), provider="offline")
        stats = RunStats()
        async with open_services(settings, request) as services, metered() as cost:
            selection = Selection(names=Filter())
            context = RunContext(
                settings=settings, services=services, runner=LocalRunner(), stats=stats
            )
            await ingest([parse_source(folder)], selection, context)
    assert (stats.videos.probed, stats.videos.unreadable) == (_FILES, 0), stats.videos
    cost.more["files"] = _FILES
    return cost


async def bare_pyav(folder: str, threads: int) -> Cost:
    """Open, read the duration, close."""
    paths = _paths(folder)
    async with metered() as cost:
        with ThreadPoolExecutor(threads) as pool:
            assert all(pool.map(_seconds, paths, chunksize=16))
    cost.more["files"] = len(paths)
    return cost


def _paths(folder: str) -> list[str]:
    return [str(path) for path in sorted(Path(folder).iterdir())]


def _seconds(path: str) -> int:
    with av.open(path) as container:
        return container.duration or 0


async def ffprobe(folder: str) -> Cost:
    """Start a process a file."""
    paths = _paths(folder)[:_FEW]
    async with metered() as cost:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            assert all(pool.map(lambda path: ffmpeg.probe(path)["format"]["duration"], paths))
    cost.more["files"] = len(paths)
    return cost


def _bucket(place: Path) -> str:
    headings = ["layout", "MB", "probe: GETs", "MB read", "whole look: GETs", "MB", "ms"]
    rows = []
    os.environ |= canned.CREDENTIALS
    engines = engines_for(InspectOptions())
    for layout in films.LAYOUTS:
        path = films.film(place, layout)
        with canned.objects(place) as endpoint:
            os.environ["AWS_ENDPOINT_URL_S3"] = endpoint
            stores = Stores()
            size, etag = path.stat().st_size, canned.ETAG
            listing = Listing(f"s3://films/{path.name}", path.name, size, 0, etag)
            reader = stores.reader(listing.uri)
            with contextlib.closing(reader.open(listing.uri, size=size, etag=etag)) as file:
                measured = probe(Media(file=file, size=size, path=None, near=False), engines)
                requests, read = file.requests, file.bytes_read
            began = time.perf_counter()
            whole = inspect(listing, reader=reader, engines=engines, whereabouts=Whereabouts.DROP)
            taken = 1000 * (time.perf_counter() - began)
        assert measured.duration_seconds == whole.probe.duration_seconds, whole
        rows.append(
            (
                layout,
                size / 1e6,
                requests,
                read / 1e6,
                whole.requests,
                whole.bytes_read / 1e6,
                taken,
            )
        )
        path.unlink()
    return table(headings, rows)
