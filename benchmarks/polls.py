"""Polls per prediction and how long an end goes unnoticed, against policies people write by hand.

A simulation of 20,000 predictions one after the other, lognormal with a mean of 16 s and a sigma of
0.5. reelcat's policy knows nothing at first and learns only from its own looks. "Polls ÷ ours" is
taken at equal mean lag: a fixed interval has a lag of half of itself, so the fixed policy with our
lag is known exactly; of the others the cheapest of a grid with at most our lag is taken, which may
be far below it. "Exponential" begins at 2 s or less; "late start" may also wait up to 8 s first and
then ask more often, as somebody does who knows how long predictions take. The price of a look in
reelcat's policy was chosen on this very simulation.
"""

from __future__ import annotations

import math
import os
import random
from collections.abc import Callable, Iterator

from tables import table

from tasks.wavespeed.polling import PollSchedule, ServiceTimes

_COUNT = 20_000
_SIGMA = 0.5
_MU = math.log(16) - _SIGMA**2 / 2

#: Gives the ages at which one prediction is looked at.
Policy = Callable[[], Iterator[float]]


def main() -> str:
    """Simulate, and give the tables."""
    rows = [_row(f"every {gap} s", _simulated(_fixed(gap))) for gap in (1, 2, 5)]
    rows += [
        _row(f"from {first} s, times {factor} up to 10 s", _simulated(_growing(first, factor, 10)))
        for first, factor in ((1, 2), (2, 1.5))
    ]
    rows += [_row(f"reelcat, at least {gap} s apart", _learned(gap)) for gap in (5, 3, 2, 1, 0.5)]
    against = [_against(gap) for gap in (5, 3, 2, 1, 0.5)]
    return (
        table(["policy", "polls each", "mean lag s", "95 % lag s"], rows)
        + "\n\n"
        + table(
            [
                "reelcat at least apart",
                "mean lag s",
                "fixed: polls ÷ ours",
                "exponential ÷ ours",
                "late start ÷ ours",
            ],
            against,
        )
        + f"\n\nLoad {os.getloadavg()[0]:.1f}; a simulation, so it does not matter."
    )


def _row(name: str, found: tuple[float, float, float]) -> tuple[str, float, float, float]:
    return (name, *found)


def _fixed(gap: float) -> Policy:
    return lambda: (gap * number for number in range(1, 100_000))


def _growing(first: float, factor: float, most: float) -> Policy:
    def ages() -> Iterator[float]:
        age, gap = 0.0, first
        while True:
            age += gap
            yield age
            gap = min(gap * factor, most)

    return ages


def _simulated(policy: Policy, seed: int = 5) -> tuple[float, float, float]:
    rng, looks, lags = random.Random(seed), 0, []
    for _ in range(_COUNT):
        took = rng.lognormvariate(_MU, _SIGMA)
        for age in policy():
            looks += 1
            if age >= took:
                lags.append(age - took)
                break
    return _told(looks, lags)


def _learned(gap: float, seed: int = 5) -> tuple[float, float, float]:
    rng, looks, lags = random.Random(seed), 0, []
    schedule, times = PollSchedule(min_gap_seconds=gap), ServiceTimes()
    for _ in range(_COUNT):
        took, before = rng.lognormvariate(_MU, _SIGMA), 0.0
        age = schedule.first_look_seconds(times)
        looks += 1
        while age < took:
            before = age
            age += schedule.next_look_seconds(age_seconds=age, times=times)
            looks += 1
        times.saw(unfinished_at_seconds=before, finished_at_seconds=age)
        lags.append(age - took)
    return _told(looks, lags)


def _told(looks: int, lags: list[float]) -> tuple[float, float, float]:
    lags.sort()
    return looks / len(lags), sum(lags) / len(lags), lags[int(0.95 * len(lags))]


def _against(gap: float) -> tuple[float, float, float, float, float]:
    polls, lag, _ = _learned(gap)
    fixed = _simulated(_fixed(2 * lag))[0]
    plain = _cheapest(lag, firsts=(0.25, 0.5, 1, 2), mosts=(2, 3, 4, 6, 8, 10, 15))
    tuned = _cheapest(lag, firsts=(0.5, 1, 2, 4, 6, 8), mosts=(1, 2, 3, 4, 6, 8, 10, 15))
    return gap, lag, fixed / polls, plain / polls, tuned / polls


def _cheapest(lag: float, *, firsts: tuple[float, ...], mosts: tuple[float, ...]) -> float:
    return min(
        found[0]
        for first in firsts
        for factor in (1.1, 1.25, 1.5, 2)
        for most in mosts
        if (found := _simulated_some(_growing(first, factor, most)))[1] <= lag
    )


def _simulated_some(policy: Policy) -> tuple[float, float, float]:
    global _COUNT  # noqa: PLW0603 - a fifth is enough to choose among a hundred policies
    whole, _COUNT = _COUNT, _COUNT // 5
    try:
        return _simulated(policy)
    finally:
        _COUNT = whole
