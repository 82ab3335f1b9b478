"""When to look at a prediction next: a pure policy, fed with what predictions took lately.

Each look costs as much as so many seconds of an end that nobody has noticed. From a sample of
recent times the cheapest sequence of looks is found, from the last one backwards. Looks are rare,
so it is also estimated how many predictions have ended that nobody has looked at since.
"""

from __future__ import annotations

import bisect
import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import accumulate
from statistics import NormalDist, fmean, median, pstdev

#: Ages that are considered; more make the plan hardly better, and twice as many cost four times.
_AGES = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class PollTimes:
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


def best_times(seconds: Sequence[float], *, min_gap: float, look_cost: float) -> PollTimes:
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
    return PollTimes(_ages=tuple(ages), _next=tuple(nexts[:-1]))


def _thinned(ages: list[float]) -> list[float]:
    if len(ages) <= _AGES:
        return ages
    last = len(ages) - 1
    return [ages[round(number * last / (_AGES - 1))] for number in range(_AGES)]


#: What was seen longer ago than this counts little.
_MEMORY_SECONDS = 30.0
#: Before, a rate says nothing.
_LEAST_SECONDS = 5.0


class Unseen:
    """Learns from ends that were found."""

    def __init__(self) -> None:
        self._lags = 0.0
        self._since: float | None = None
        self._at = 0.0

    def saw(self, *, unnoticed_seconds: float, at: float) -> None:
        """One was found that had ended so long ago; `at` is in seconds and never goes back."""
        self._lags = self._lags * _faded(at - self._at) + max(unnoticed_seconds, 0.0)
        self._at = at
        self._since = at if self._since is None else self._since

    def likely(self, *, at: float) -> int:
        """How many there are, rather too few than too many: less half a deviation of chance.

        >>> unseen = Unseen()
        >>> unseen.likely(at=0)
        0
        >>> for number in range(300):
        ...     unseen.saw(unnoticed_seconds=3.0, at=number / 10)
        >>> unseen.likely(at=30)  # ten a second, for three seconds each: the mean is thirty
        27
        >>> unseen.likely(at=300)  # nothing ended for long
        0
        """
        if self._since is None:
            return 0
        remembered = _MEMORY_SECONDS * (1 - _faded(max(at - self._since, _LEAST_SECONDS)))
        mean = self._lags * _faded(at - self._at) / remembered
        return max(0, math.floor(mean - math.sqrt(mean) / 2))


def _faded(seconds: float) -> float:
    return math.exp(-max(0.0, seconds) / _MEMORY_SECONDS)


#: Enough to know how they spread; few enough to forget how fast the provider was an hour ago.
_REMEMBERED = 1024
#: With fewer, chance would set the pace.
_ENOUGH = 10
#: So many new ones change a plan.
_NEW_ENOUGH = 128
#: Steps of the golden ratio fill an interval evenly, however many there are.
_GOLDEN = 0.6180339887498949
#: What is typical is worked out again after so many.
_TYPICAL_EVERY = 32
_HARDLY_ANY = 1e-6


class ServiceTimes:
    """How long recent predictions took, in seconds; bounded."""

    def __init__(self, seconds: Iterable[float] = ()) -> None:
        self._recent: deque[float] = deque(seconds, maxlen=_REMEMBERED)
        self._seen = len(self._recent)
        #: How the logarithms lie, as a bell curve; only for guessing between two looks.
        self._spread: NormalDist | None = None
        self._typical: float | None = None
        self._typical_until = 0
        self._plans: dict[tuple[float, float], tuple[int, PollTimes]] = {}

    def __len__(self) -> int:
        return len(self._recent)

    @property
    def typical_seconds(self) -> float | None:
        """What about half of them took at most; None where too few are known."""
        if len(self._recent) < _ENOUGH:
            return None
        if self._typical is None or self._seen >= self._typical_until:
            self._typical = median(self._recent)
            self._typical_until = self._seen + min(_TYPICAL_EVERY, len(self._recent) // 4)
        return self._typical

    def saw(self, *, unfinished_at_seconds: float, finished_at_seconds: float) -> float:
        """Learn when one was last seen unfinished (0 if never) and first seen finished.

        Gives the age at which it is taken to have ended.

        It ended somewhere between the two, those between the same two at different ages, spread as
        all of them are. Remembering the look that found it finished would let the looks move later
        and later, for nothing finishes before it is looked at.
        """
        self._seen += 1
        share = self._seen * _GOLDEN % 1.0
        began = min(max(unfinished_at_seconds, 0.0), finished_at_seconds)
        ended = self._between(began, finished_at_seconds, share)
        self._recent.append(ended)
        return ended

    def _between(self, low: float, high: float, share: float) -> float:
        """The age between two at which this share of what ends between them has ended."""
        evenly = low + share * (high - low)
        if self._spread is None or high <= 0:
            return evenly
        below = self._spread.cdf(math.log(low)) if low > 0 else 0.0
        within = self._spread.cdf(math.log(high)) - below
        if within < _HARDLY_ANY:
            return evenly
        probability = min(max(below + share * within, _HARDLY_ANY), 1 - _HARDLY_ANY)
        return min(max(math.exp(self._spread.inv_cdf(probability)), low), high)

    def looks(self, *, min_gap_seconds: float, look_cost_seconds: float) -> PollTimes | None:
        """The best ages at which to look; None where too few are known to say."""
        if len(self._recent) < _ENOUGH:
            return None
        terms = (min_gap_seconds, look_cost_seconds)
        seen, plan = self._plans.get(terms, (0, None))
        if plan is None or self._seen - seen >= min(_NEW_ENOUGH, len(self._recent) // 4):
            logs = [math.log(max(seconds, _HARDLY_ANY)) for seconds in self._recent]
            self._spread = NormalDist(fmean(logs), max(pstdev(logs), 0.01))
            plan = best_times(self._recent, min_gap=min_gap_seconds, look_cost=look_cost_seconds)
            self._plans[terms] = (self._seen, plan)
        return plan


#: How many looks a second may be asked for by those who wait, as far as gaps allow.
_LOOKS_PER_SECOND = 400


@dataclass(frozen=True, kw_only=True, slots=True)
class PollSchedule:
    """The policy; its numbers are for production and scale with the least gap."""

    #: Least seconds between two looks at one prediction; the provider asks for 5 with video.
    min_gap_seconds: float = 5.0
    #: What `fitted` lets it grow to; None leaves it as it is.
    grown_gap_seconds: float | None = None
    #: One look is worth so much waiting for an end that nobody has noticed, in least gaps.
    look_cost_gaps: float = 0.25
    #: Nobody waits long for a nightly run's last answer, and nobody looks at a stuck one often.
    most_gap_seconds: float = 30.0
    #: After trouble, and what a `Retry-After` may ask for at most.
    most_wait_seconds: float = 300.0

    def fitted(self, times: ServiceTimes, *, waiting: int) -> PollSchedule:
        """The same policy with the least gap for what predictions take, and for how many wait.

        An eighth of what is typical, for a lag of some hundredths of it matters to nobody; and so
        long that those who wait ask for a few hundred looks a second at most. In halves, so that
        few plans are made.

        >>> by_itself = schedule_for(None)
        >>> by_itself.fitted(ServiceTimes([16.0] * 100), waiting=300).min_gap_seconds
        2.0
        >>> by_itself.fitted(ServiceTimes([3.0] * 100), waiting=3_000).min_gap_seconds
        5.0
        """
        if self.grown_gap_seconds is None:
            return self
        wanted = max((times.typical_seconds or 0.0) / 8, waiting / _LOOKS_PER_SECOND)
        gap = min(max(self.min_gap_seconds, math.ceil(2 * wanted) / 2), self.grown_gap_seconds)
        return self if gap == self.min_gap_seconds else replace(self, min_gap_seconds=gap)

    def first_look_seconds(self, times: ServiceTimes) -> float:
        """The age at which a prediction is looked at for the first time."""
        looks = self._looks(times)
        if looks is None:
            # The model takes 16 s on average, and a tenth are done after about 7.
            return 1.6 * self.min_gap_seconds
        return min(max(looks.first, self.min_gap_seconds), self._ceiling_seconds)

    def next_look_seconds(
        self,
        *,
        age_seconds: float,
        times: ServiceTimes,
        troubles: int = 0,
        retry_after_seconds: float | None = None,
        jitter: float = 0.0,
        few: bool = False,
    ) -> float:
        """How long to wait after a look that found it unfinished.

        `age_seconds` since it was accepted; `troubles` looks in a row without a usable answer: the
        first is repeated soon, and each further one after twice as long; `jitter` from 0 to 1
        spreads looks after trouble, up to half as long again; `few` says that hardly any others are
        waited for: looks then cost little, and the whole run waits. At least `min_gap_seconds` and
        what the provider asks for; at most `most_gap_seconds` without trouble and
        `most_wait_seconds` with it.
        """
        gap = self._gap(age_seconds, times)
        if few:
            gap = min(gap, max(age_seconds / 8, self.min_gap_seconds))
        if troubles > 0:
            gap = self.min_gap_seconds * 2.0 ** min(troubles - 1, 30) * (1 + jitter / 2)
            gap = min(gap, self.most_wait_seconds)
        asked = min(retry_after_seconds or 0.0, self.most_wait_seconds)
        return max(gap, asked, self.min_gap_seconds)

    @property
    def _ceiling_seconds(self) -> float:
        return max(self.most_gap_seconds, self.min_gap_seconds)

    def _looks(self, times: ServiceTimes) -> PollTimes | None:
        return times.looks(
            min_gap_seconds=self.min_gap_seconds,
            look_cost_seconds=self.look_cost_gaps * self.min_gap_seconds,
        )

    def _gap(self, age_seconds: float, times: ServiceTimes) -> float:
        """Until the next planned look; a quarter of the age where too few took as long.

        So late ones are looked at every 15 s after a minute, every 30 s after two.
        """
        looks = self._looks(times)
        planned = None if looks is None else looks.after(age_seconds)
        gap = max(age_seconds, 0.0) / 4 if planned is None else planned - age_seconds
        return min(max(gap, self.min_gap_seconds), self._ceiling_seconds)


#: The provider's own SDK looks every second; its documents ask for five with video.
_SHORTEST_GAP, _LONGEST_GAP = 1.0, 5.0


def schedule_for(min_gap: timedelta | None) -> PollSchedule:
    """The policy for a least gap that was set; None for one that follows the predictions."""
    if min_gap is None:
        return PollSchedule(min_gap_seconds=_SHORTEST_GAP, grown_gap_seconds=_LONGEST_GAP)
    return PollSchedule(min_gap_seconds=min_gap.total_seconds())
