"""What an account allows: how long some work takes if nothing waits but for the provider."""

from __future__ import annotations

import heapq
from collections.abc import Sequence


def provider_bound(seconds: Sequence[float], *, slots: int, starts_per_second: float) -> float:
    """Say in seconds how long predictions take that last so long, in the order of their starts.

    Each starts when its turn has come and a slot is free.
    """
    ends: list[float] = []
    last = 0.0
    for number, lasts in enumerate(seconds):
        start = number / starts_per_second
        if len(ends) >= slots:
            start = max(start, heapq.heappop(ends))
        heapq.heappush(ends, start + lasts)
        last = max(last, start + lasts)
    return last
