"""How many predictions have ended that nobody has looked at since.

Looks are rare, so an end goes unnoticed for seconds, in which its slot at the provider is free
already. How many there are follows from what was seen lately: as many end in a second as are found
ended, each unnoticed for as long as those were (Little's law). Pure; time is passed in.
"""

from __future__ import annotations

import math

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
