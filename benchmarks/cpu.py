"""Processor time per prediction, with the catalog, against what people would use instead.

Everybody submits to the same sandbox and polls until the end; only reelcat keeps what it gets. All
but the SDK use reelcat's own polling schedule, so that they ask no more often. Times are a quarter
of real ones. Each runs in a process of its own, whose time is counted; "with its server" adds what
the Prefect server took meanwhile, which somebody has to run as well.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import engines
from engines import Load
from meter import Cost, alone
from prefect_server import prefect_server
from provider import canned
from tables import table

_SCALE = 0.25
_MEAN_SECONDS = 16 * _SCALE
_COUNT = 3000
_SDK_COUNT = 400
_PREFECT_COUNT = 500


def main() -> str:
    """Measure, and give the table."""
    return asyncio.run(_measure())


async def _measure() -> str:
    async with canned(mean_seconds=_MEAN_SECONDS) as sandbox:
        load = Load(
            base_url=sandbox.base_url,
            api_key=sandbox.api_key,
            count=_COUNT,
            in_flight=400,
            poll_gap=5 * _SCALE,
        )
        costs: dict[str, tuple[Cost, float]] = {}
        polls = 0
        with prefect_server() as server:
            contenders = (
                ("reelcat, with the catalog", _COUNT, (engines.reelcat,)),
                ("bare loop, httpx-aiohttp, no database", _COUNT, (engines.httpx_aiohttp,)),
                ("bare loop, httpx, no database", _COUNT, (engines.stock_httpx,)),
                ("wavespeed SDK, 64 threads", _SDK_COUNT, (engines.vendors_sdk,)),
                (
                    "a Prefect task run each, httpx",
                    _PREFECT_COUNT,
                    (engines.prefect_task_runs, server.surroundings),
                ),
            )
            for name, count, (contender, *more) in contenders:
                before = server.cpu_seconds()
                cost = await asyncio.to_thread(alone, contender, replace(load, count=count), *more)
                served = server.cpu_seconds() - before
                polled = (await sandbox.audit())["polls"]
                costs[name] = (cost, (polled - polls) / count)
                polls = polled
            both = replace(cost, cpu_seconds=cost.cpu_seconds + served)
            costs["the same, with its server"] = (both, costs[name][1])
    ours = _per_prediction(costs["reelcat, with the catalog"][0])
    return table(
        [
            "engine",
            "CPU ms per prediction",
            "predictions per CPU second",
            "theirs ÷ ours",
            "polls each",
            "loop lag p99 ms",
            "peak MB",
            "load",
        ],
        [
            (
                name,
                _per_prediction(cost),
                1000 / _per_prediction(cost),
                _per_prediction(cost) / ours,
                polled,
                cost.lag_p99_ms,
                cost.peak_mb,
                cost.load,
            )
            for name, (cost, polled) in costs.items()
        ],
    )


def _per_prediction(cost: Cost) -> float:
    return float(1000 * cost.cpu_seconds / cost.more["done"])
