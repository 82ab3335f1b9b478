"""How many nights a backlog takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from catalog.errors import SettingsError
from catalog.money import dollars, show
from catalog.pricing import MOLMO2_PRICES


@dataclass(frozen=True, kw_only=True, slots=True)
class Backlog:
    """Money to be spent, so much a night."""

    per_night_micros: int
    nights: int

    def as_json(self) -> dict[str, Any]:
        """Give it as `plan --nightly --json` prints it."""
        return {"limit_usd": str(dollars(self.per_night_micros)), "nights": self.nights}


def nights(quoted_micros: int, per_night_micros: int) -> Backlog:
    """Say in how many nights `quoted_micros` are spent.

    >>> nights(100_000_000, 25_000_000).nights, nights(100_000_001, 25_000_000).nights
    (4, 5)
    >>> nights(0, 25_000_000).nights
    0

    Raises:
        SettingsError: if the longest videos would fit no night.
    """
    prices = MOLMO2_PRICES
    dearest = prices.step_micros * prices.most_seconds // prices.step_seconds
    if per_night_micros < dearest:
        raise SettingsError(
            f"--nightly takes at least {show(dearest)}, which is what one analysis of a long "
            "video costs."
        )
    return Backlog(per_night_micros=per_night_micros, nights=-(-quoted_micros // per_night_micros))
