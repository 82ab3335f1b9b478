"""How long a prediction takes."""

from __future__ import annotations

import math
import random

from tasks.wavespeed.sandbox.instants import span
from tasks.wavespeed.sandbox.options import SandboxOptions


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
