"""Listing a bucket: memory, time and requests, by how many ranges are listed at once.

The server is canned and answers each request after 100 ms, as over a long line; it shares the
machine, and each listing has a process of its own. The archive lies by year and month.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from meter import Cost, alone, metered
from tables import table

_SIZES = tuple(int(one) for one in os.environ.get("BENCH_KEYS", "10000,100000,1000000").split(","))
_LATENCY_SECONDS = 0.1
_YEARS, _MONTHS = 20, 12
_TOGETHER = 8
#: A listing one answer after the other is not waited for beyond so many keys.
_MOST_ALONE = 100_000


def main() -> str:
    """List buckets of every size, and give the table."""
    rows: list[tuple[object, ...]] = []
    for keys in _SIZES:
        with _served(keys) as (url, asked):
            for listers in (1, _TOGETHER) if keys <= _MOST_ALONE else (_TOGETHER,):
                before = asked()
                cost = alone(_list, url, listers)
                rows.append(
                    (
                        keys,
                        listers,
                        int(cost.more["found"]),
                        asked() - before,
                        cost.wall_seconds,
                        cost.cpu_seconds,
                        cost.peak_mb,
                        cost.load,
                    )
                )
    headings = ["keys", "ranges", "listed", "requests", "seconds", "CPU s", "peak MB", "load"]
    return table(headings, rows)


async def _list(url: str, listers: int) -> Cost:
    from tasks.storage.registry import Stores  # noqa: PLC0415
    from tasks.storage.source import parse_source  # noqa: PLC0415
    from tasks.storage.store import S3Options, StoreOptions  # noqa: PLC0415 - in the child alone

    os.environ |= {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "secret"}
    options = S3Options(endpoint_url=url, region="us-east-1", listers=listers)
    lister = Stores(StoreOptions(s3=options)).lister(parse_source("s3://films"))
    async with metered() as cost:
        found = await asyncio.to_thread(lambda: sum(1 for _ in lister.list()))
    cost.more["found"] = found
    return cost


@contextmanager
def _served(keys: int) -> Iterator[tuple[str, Callable[[], int]]]:
    """Serve a bucket from another process; gives its address, and how often it was asked so far."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(keys, theirs), daemon=True)
    process.start()

    def asked() -> int:
        ours.send("asked")
        return int(ours.recv())

    try:
        yield str(ours.recv()), asked
    finally:
        ours.send("end")
        process.join(30)


def _serve(keys: int, line: Connection) -> None:
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
    from canned_s3 import CannedBucket, CannedS3  # noqa: PLC0415 - found from there alone

    shelf = CannedBucket(
        keys=sorted(
            f"{2000 + n % _YEARS}/{n % _MONTHS + 1:02}/film-{n:08}.mp4" for n in range(keys)
        ),
        latency=_LATENCY_SECONDS,
    )
    with CannedS3(shelf) as server:
        line.send(server.url)
        while line.recv() == "asked":
            line.send(len(shelf.asked))
