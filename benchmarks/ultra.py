"""The highest tier on one core: 5,000 starts a minute at 16 s each, and 10,000 in flight.

"Of the pace" compares with the provider's own bound: all starts at 5,000 a minute, and then the end
of the last prediction, which nobody can hurry. Those of the last row take so long that all of them
are in flight at once.
"""

from __future__ import annotations

import asyncio

import engines
from bounds import provider_bound
from engines import Load
from meter import Cost, alone
from provider import canned
from tables import table

_STARTS_PER_SECOND = 5000 / 60


def main() -> str:
    """Measure, and give the table."""
    rows = [
        asyncio.run(_measure(name, count=count, mean=mean, sigma=sigma, in_flight=in_flight))
        for name, count, mean, sigma, in_flight in (
            ("5,000 starts a minute for three minutes", 15_000, 16.0, 0.5, 10_000),
            ("10,000 in flight", 10_000, 150.0, 0.05, 10_000),
        )
    ]
    return table(
        [
            "load",
            "predictions",
            "wall s",
            "of the pace",
            "CPU share of a core",
            "CPU ms each",
            "polls each",
            "loop lag p99 ms",
            "peak MB",
            "machine load",
        ],
        rows,
    )


async def _measure(
    name: str, *, count: int, mean: float, sigma: float, in_flight: int
) -> tuple[str, int, float, float, float, float, float, float, float, float]:
    async with canned(mean_seconds=mean, sigma=sigma) as sandbox:
        load = Load(
            base_url=sandbox.base_url,
            api_key=sandbox.api_key,
            count=count,
            in_flight=in_flight,
            poll_gap=5.0,
        )
        cost: Cost = await asyncio.to_thread(alone, engines.reelcat, load)
        audit, described = await sandbox.audit(), await sandbox.predictions()
    wall = cost.more["predicting_seconds"]
    return (
        name,
        cost.more["done"],
        wall,
        provider_bound(
            [one["latency_seconds"] for one in described],
            slots=in_flight,
            starts_per_second=_STARTS_PER_SECOND,
        )
        / wall,
        cost.core_share,
        1000 * cost.cpu_seconds / cost.more["done"],
        audit["polls"] / cost.more["done"],
        cost.lag_p99_ms,
        cost.peak_mb,
        cost.load,
    )
