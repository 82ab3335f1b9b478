"""The best ages at which to look, given what predictions took: few looks and little waiting.

A pure calculation over a sample. Each look costs as much as so many seconds of an end that nobody
has noticed, and the cheapest sequence of looks is found from the last one backwards.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

#: Ages that are considered; more make the plan hardly better, and twice as many cost four times.
_AGES = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class Looks:
    """When to look first, and when next after each age."""

    #: Ages at which some were done, ascending.
    _ages: tuple[float, ...]
    #: For having looked at 0 and at each of the ages in vain: the age of the next look.
    _next: tuple[float, ...]

    @property
    def first(self) -> float:
        """The age of the first look."""
        return self._next[0]

    def after(self, age_seconds: float) -> float | None:
        """The age of the look after one that was in vain; None where too few took as long."""
        position = bisect.bisect_right(self._ages, age_seconds)
        if position >= len(self._next):
            return None
        return max(self._next[position], age_seconds)


def best_looks(seconds: Sequence[float], *, min_gap: float, look_cost: float) -> Looks:
    """Plan looks at least `min_gap` seconds apart; `seconds` is what some took, at least one.

    `look_cost` is how many seconds of waiting one look is worth.
    """
    ages = _thinned(sorted(seconds))
    count = len(ages)
    sums = [0.0, *accumulate(ages)]
    # `costs[i]` is what it costs from here on, summed over those not done at state i; state 0 is
    # the beginning and state i the age `ages[i - 1]`. The last one has nobody left.
    costs = [0.0] * (count + 1)
    nexts = [ages[-1]] * (count + 1)
    for state in range(count - 1, -1, -1):
        looked_at = ages[state - 1] if state else 0.0
        asked = (count - state) * look_cost
        best = None
        for end in range(state + 1, count + 1):
            at = max(ages[end - 1], looked_at + min_gap)
            waited = (end - state) * at - (sums[end] - sums[state])
            cost = asked + waited + costs[end]
            if best is None or cost < best:
                best, nexts[state] = cost, at
        costs[state] = best or 0.0
    return Looks(_ages=tuple(ages), _next=tuple(nexts[:-1]))


def _thinned(ages: list[float]) -> list[float]:
    if len(ages) <= _AGES:
        return ages
    last = len(ages) - 1
    return [ages[round(number * last / (_AGES - 1))] for number in range(_AGES)]
