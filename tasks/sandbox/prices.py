"""What the sandbox charges, worked out on its own.

Not `catalog.pricing`: a mistake there has to show as a difference between our ledger and this bill.
"""

from __future__ import annotations

import enum
import math
from decimal import ROUND_CEILING, Decimal

from catalog.pricing import MOLMO2, OFFLINE

#: Models that this sandbox runs.
MODELS = (MOLMO2, OFFLINE)

BLOCK_MICROS = 5_000
BLOCK_SECONDS = 5
LEAST_SECONDS = 5
MOST_SECONDS = 120


class Rounding(enum.StrEnum):
    """How a length between two steps of five seconds is billed; no source settles it."""

    BLOCKS = "blocks"  # every started five seconds: 7 s cost $0.010
    PER_SECOND = "per_second"  # every started second: 7 s cost $0.007


def price_micros(
    model: str, duration_seconds: Decimal | None, rounding: Rounding = Rounding.BLOCKS
) -> int:
    """Say what one run costs in micro-dollars, before any discount.

    An unknown duration is billed as the shortest: so does the provider's own quote, which
    collapses to the base price where a duration is missing.
    """
    if model == OFFLINE:
        return 0
    length = duration_seconds if duration_seconds is not None else Decimal(LEAST_SECONDS)
    billed = min(max(length, Decimal(LEAST_SECONDS)), Decimal(MOST_SECONDS))
    if rounding is Rounding.PER_SECOND:
        return math.ceil(billed) * (BLOCK_MICROS // BLOCK_SECONDS)
    return math.ceil(billed / BLOCK_SECONDS) * BLOCK_MICROS


def discounted(micros: int, discount: Decimal) -> int:
    """Take a fraction (0 to 1) off a price; a broken micro-dollar is rounded up."""
    return int((micros * (1 - discount)).to_integral_value(rounding=ROUND_CEILING))
