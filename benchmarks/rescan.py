"""A rescan of known files and of known keys, in which nothing has changed, against bare listers.

The bare lister of folders is `os.scandir` with a `stat` of each file; that of buckets is boto3's
paginator on a stock client. Both keep nothing. reelcat lists, compares each with the catalog, and
counts what is there. Keys come in canned pages from a server of its own.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import archive
import canned
from meter import Cost, alone, metered
from tables import table

from flows.pipeline.ingest import ingest
from flows.pipeline.request import RunRequest
from flows.pipeline.runner import LocalRunner, RunContext
from flows.settings import Settings
from flows.wiring import open_services
from tasks.runtime.stats import RunStats
from tasks.storage.filters import Filter, Selection
from tasks.storage.source import parse_source

_FILES = int(os.environ.get("BENCH_FILES", "1000000"))
_BUCKET = "films"
_Contender: TypeAlias = Callable[[str, str, str | None], Awaitable[Cost]]


def main() -> str:
    """Measure both kinds of source and give the table."""
    with tempfile.TemporaryDirectory(prefix="reelcat-bench-") as place:
        folder, url = Path(place, "videos"), f"sqlite:///{place}/catalog.db"
        archive.build(folder, url, videos=_FILES, endpoint="http://127.0.0.1:9", bucket=_BUCKET)
        os.sync()
        pairs = [_pair("files", bare_folder, rescan, (str(folder), url, None), rounds=2)]
        with canned.server(_FILES) as endpoint:
            os.environ |= canned.CREDENTIALS
            bucket = f"s3://{_BUCKET}"
            pairs.append(_pair("keys", bare_bucket, rescan, (bucket, url, endpoint), rounds=1))
        shutil.rmtree(folder)
    headings = ["what", "lister", "µs each", "CPU µs each", "theirs ÷ ours", "peak MB", "load"]
    return table(headings, [row for pair in pairs for row in pair])


def _pair(
    what: str,
    bare: _Contender,
    ours: _Contender,
    place: tuple[str, str, str | None],
    *,
    rounds: int,
) -> list[tuple[Any, ...]]:
    """Measure both sides in turns, and give the best of each."""
    theirs, mine = [], []
    for _ in range(rounds):
        theirs.append(alone(bare, *place))
        mine.append(alone(ours, *place))
    best, own = (min(side, key=lambda cost: cost.wall_seconds) for side in (theirs, mine))
    return [
        (what, name, *_each(cost), best.wall_seconds / cost.wall_seconds, cost.peak_mb, cost.load)
        for name, cost in ((best.more["name"], best), ("reelcat", own))
    ]


def _each(cost: Cost) -> tuple[float, float]:
    return 1e6 * cost.wall_seconds / _FILES, 1e6 * cost.cpu_seconds / _FILES


async def bare_folder(source: str, _url: str, _endpoint: str | None) -> Cost:
    """Walk and stat."""
    async with metered() as cost:
        cost.more["name"] = "os.scandir and stat"
        folders, found = [source], 0
        while folders:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        found += entry.stat().st_size >= 0
    assert found == _FILES, found
    return cost


async def bare_bucket(source: str, _url: str, endpoint: str | None) -> Cost:
    """Turn the pages."""
    import boto3  # noqa: PLC0415 - only this contender needs it

    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
    async with metered() as cost:
        cost.more["name"] = "boto3's paginator"
        pages = client.get_paginator("list_objects_v2").paginate(
            Bucket=source.removeprefix("s3://")
        )
        found = sum(len(page["Contents"]) for page in pages)
    assert found == _FILES, found
    return cost


async def rescan(source: str, url: str, endpoint: str | None) -> Cost:
    """List, compare with the catalog, count."""
    os.environ |= {} if endpoint is None else {"AWS_ENDPOINT_URL_S3": endpoint}
    settings = Settings(_env_file=None, database_url=url)
    request = RunRequest.of(sources=(source,), provider="offline")
    stats = RunStats()
    async with open_services(settings, request) as services, metered() as cost:
        selection = Selection(names=Filter())
        context = RunContext(
            settings=settings, services=services, runner=LocalRunner(), stats=stats
        )
        await ingest([parse_source(source)], selection, context)
    assert (stats.videos.found, stats.videos.unchanged) == (_FILES, _FILES), stats.videos
    return cost
