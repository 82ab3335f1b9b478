"""How much of the provider's own pace is used, where starts bind and where slots do.

The bound is what the account allows: each of these very predictions starts as soon as starts a
minute or a free slot let it, and the last one ends when the provider ends it, which nobody can
hurry. Times are half of real ones (a mean of 8 s, sigma 0.5, looks at least 2.5 s apart); work is
for three minutes and the end of its last prediction. The bare loop is httpx-aiohttp without a
database; it looks every 2.5 s, as people write it, and knows of no starts a minute, so it is
measured where slots bind. All four run at the same time, each in a process and with a sandbox of
its own, for together they take less than one core.
"""

from __future__ import annotations

import asyncio

import engines
from bounds import provider_bound
from engines import Load
from meter import Cost, alone
from provider import canned
from tables import table

from tasks.wavespeed.pacing import TIERS

_MEAN_SECONDS, _SIGMA = 8.0, 0.5


def main() -> str:
    """Measure, and give the table."""
    rows = asyncio.run(_measure_all())
    return table(
        [
            "load",
            "predictions",
            "wall s",
            "of the pace",
            "polls each",
            "loop lag p99 ms",
            "machine load",
        ],
        rows,
    )


async def _measure_all() -> list[tuple[str, int, float, float, float, float, float]]:
    loads = (
        ("starts bind: 3,000 a minute", engines.reelcat, 9000, "gold", 3000),
        ("starts bind: 500 a minute", engines.reelcat, 1500, "silver", 300),
        ("slots bind: 200", engines.reelcat, 4500, "gold", 200),
        ("slots bind: 200, bare loop", engines.fixed_interval, 4500, "gold", 200),
    )
    return await asyncio.gather(
        *(
            _measure(name, contender, count=count, tier=tier, slots=slots)
            for name, contender, count, tier, slots in loads
        )
    )


async def _measure(
    name: str, contender: engines.Contender, *, count: int, tier: str, slots: int
) -> tuple[str, int, float, float, float, float, float]:
    async with canned(mean_seconds=_MEAN_SECONDS, sigma=_SIGMA) as sandbox:
        load = Load(
            base_url=sandbox.base_url,
            api_key=sandbox.api_key,
            count=count,
            in_flight=slots,
            poll_gap=2.5,
            tier=tier,
        )
        cost: Cost = await asyncio.to_thread(alone, contender, load)
        audit, described = await sandbox.audit(), await sandbox.predictions()
    wall = cost.more["predicting_seconds"]
    bound = provider_bound(
        [one["latency_seconds"] for one in described],
        slots=slots,
        starts_per_second=TIERS[tier].starts_per_minute / 60,
    )
    return (
        name,
        cost.more["done"],
        wall,
        bound / wall,
        audit["polls"] / cost.more["done"],
        cost.lag_p99_ms,
        cost.load,
    )
