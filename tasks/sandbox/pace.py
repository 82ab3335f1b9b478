"""How fast the account starts predictions, and how long one takes."""

from __future__ import annotations

import math
import random
from collections import deque

from tasks.sandbox.options import SandboxOptions
from tasks.sandbox.wire import SECOND, span


class Latency:
    """Draws lognormal latencies with the options' mean, spread and scale."""

    def __init__(self, options: SandboxOptions, source: random.Random) -> None:
        self._source = source
        self._sigma = options.latency_sigma
        mean = options.latency_mean_seconds * options.latency_scale
        # The mean of a lognormal is exp(mu + sigma²/2).
        self._mu = math.log(mean) - self._sigma**2 / 2 if mean > 0 else None

    def draw(self) -> int:
        """Give one latency in nanoseconds."""
        if self._mu is None:
            return 0
        return span(self._source.lognormvariate(self._mu, self._sigma))


class StartGate:
    """Counts starts; says no once a minute's worth is used up.

    The gate's windows are those of the clock ("resets each minute"). The peaks are counted in
    real minutes, whatever length the gate's have.
    """

    def __init__(self, *, per_minute: int | None, minute_ns: int) -> None:
        self._per_minute = per_minute
        self._minute_ns = max(minute_ns, 1)
        self._window = -1
        self._in_window = 0
        self._recent: deque[int] = deque()
        self._calendar = (-1, 0)
        #: Most starts within one minute of the clock, and within any sixty seconds.
        self.calendar_peak = 0
        self.any_peak = 0

    def is_open(self, now_ns: int) -> bool:
        """Say whether one more may start now."""
        window = now_ns // self._minute_ns
        if window != self._window:
            self._window, self._in_window = window, 0
        return self._per_minute is None or self._in_window < self._per_minute

    def count(self, now_ns: int) -> None:
        """Note one start."""
        if self.is_open(now_ns):
            self._in_window += 1
        self._recent.append(now_ns)
        while self._recent[0] <= now_ns - 60 * SECOND:
            self._recent.popleft()
        self.any_peak = max(self.any_peak, len(self._recent))
        minute = now_ns // (60 * SECOND)
        count = self._calendar[1] + 1 if self._calendar[0] == minute else 1
        self._calendar = (minute, count)
        self.calendar_peak = max(self.calendar_peak, count)
