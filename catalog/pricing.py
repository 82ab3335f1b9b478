"""What an analysis costs, before it is bought.

Price lists are dated and versioned, so that a ledger entry says by which one it was quoted. The
provider's rounding between two five-second steps is not documented, so a quote is the upper bound
(every started step is paid) and the charge is what the bill says.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

MOLMO2 = "wavespeed-ai/molmo2/video-understanding"
OFFLINE = "offline/ffmpeg-signals"


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceList:
    """How one model is billed by the length of the video."""

    version: str
    model: str
    #: Price of one started step, in micro-dollars.
    step_micros: int
    step_seconds: int = 5
    #: A shorter video is billed as this long.
    least_seconds: int = 5
    #: A longer video is billed as this long.
    most_seconds: int = 120


#: From the model's page: "Per 5-second billing with minimum charge for videos ≤5 seconds. Maximum
#: billable duration is 120 seconds", $0.005 a step.
MOLMO2_PRICES = PriceList(version="molmo2-2026-11", model=MOLMO2, step_micros=5_000)
OFFLINE_PRICES = PriceList(version="offline", model=OFFLINE, step_micros=0)


def quote(duration_seconds: Decimal | None, prices: PriceList) -> int | None:
    """Say what one analysis of a video of this length costs at most, in micro-dollars.

    None when it cannot be said: an unknown duration has no price, unless everything is free.

    >>> [quote(Decimal(s), MOLMO2_PRICES) for s in ("0.3", "5", "5.01", "30", "362")]
    [5000, 5000, 10000, 30000, 120000]
    >>> quote(None, MOLMO2_PRICES) is None
    True
    """
    if prices.step_micros == 0:
        return 0
    if duration_seconds is None or not duration_seconds.is_finite() or duration_seconds <= 0:
        return None
    billed = min(max(duration_seconds, Decimal(prices.least_seconds)), Decimal(prices.most_seconds))
    steps = int((billed / prices.step_seconds).to_integral_value(rounding=ROUND_CEILING))
    return steps * prices.step_micros
