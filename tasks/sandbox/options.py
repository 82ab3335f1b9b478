"""How a sandbox behaves: its tier, its latency, its faults, and what it charges.

Prices are worked out here and not taken from `catalog.pricing`: a mistake there has to show as a
difference between our ledger and this bill.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from pathlib import Path

from catalog.errors import SettingsError
from catalog.pricing import MOLMO2, OFFLINE
from tasks.sandbox.faults import FaultPlan

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


DAY_SECONDS = 86_400


class Mode(enum.StrEnum):
    """What stands in for the model."""

    VIDEO = "video"  # the video is fetched, measured and described
    CANNED = "canned"  # nothing is fetched or decoded; for load


class CreditRefusal(enum.StrEnum):
    """How too little credit is refused; no source says which."""

    PAYMENT_REQUIRED = "402"
    BAD_REQUEST = "400"  # with code 1407
    FORBIDDEN = "403"


@dataclass(frozen=True, kw_only=True, slots=True)
class Tier:
    """What an account may do at once."""

    starts_per_minute: int
    max_concurrent: int


TIERS = {
    "bronze": Tier(starts_per_minute=2, max_concurrent=2),
    "silver": Tier(starts_per_minute=500, max_concurrent=300),
    "gold": Tier(starts_per_minute=3_000, max_concurrent=3_000),
    "ultra": Tier(starts_per_minute=5_000, max_concurrent=10_000),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class SandboxOptions:
    """Everything that can be chosen about a sandbox. Seconds are of the sandbox's clock."""

    api_key: str = field(default="wsk_sandbox", repr=False)
    mode: Mode = Mode.VIDEO
    #: Take `file://` videos. Only in-process: `serve` refuses it.
    allow_files: bool = False
    #: Makes ids and latencies repeatable. None draws them afresh, as a lasting catalog needs.
    seed: int | None = None
    #: How far the sandbox's clock is ahead of the machine's; negative where it is behind. All its
    #: times follow it: `Date`, `created_at`, the bill, expiry.
    clock_skew_seconds: float = 0.0

    #: Multiplies every latency; 0 is "as soon as the work is done".
    latency_scale: float = 1.0
    latency_mean_seconds: float = 16.0
    #: Spread of the lognormal latency.
    latency_sigma: float = 0.5
    #: None sets no limits.
    tier: Tier | None = None
    #: Length of the tier's minute; shorten it to rehearse rate limits.
    minute_seconds: float = 60.0
    #: How long predictions and uploads are kept.
    retention_seconds: float = 7.0 * DAY_SECONDS

    balance_micros: int = 100_000_000
    rounding: Rounding = Rounding.BLOCKS
    #: Fraction taken off every price, 0 to 1.
    discount: Decimal = Decimal(0)
    credit_refusal: CreditRefusal = CreditRefusal.PAYMENT_REQUIRED
    #: From the end of a failed prediction to its refund; the documents say up to three hours.
    refund_delay_seconds: float = 0.0

    #: Echo inputs in the history where `include_inputs` asks for it; False ignores that.
    include_inputs: bool = True
    #: Say `total` in the history, as only older documents do.
    list_total: bool = False
    #: How long a new prediction stays invisible in the history.
    list_lag_seconds: float = 0.0

    #: Origin of upload and download addresses, e.g. `http://localhost:8700`; None: the API's own.
    storage_origin: str | None = None
    ticket_seconds: float = 900.0
    max_upload_bytes: int = 200 * 1024 * 1024
    #: Largest video that is fetched from elsewhere.
    max_video_bytes: int = 4 * 1024 * 1024 * 1024
    #: Longest time that fetching one video may take.
    fetch_seconds: float = 300.0

    faults: FaultPlan = field(default_factory=FaultPlan)
    #: Open /control: faults, clock and balance can be changed over HTTP.
    control: bool = False
    #: How long a stalled answer is held on a port before it is reset.
    stall_seconds: float = 120.0
    retry_after_seconds: int = 1

    #: Remember everything in this file (and uploads next to it), so that a restart goes on.
    state: Path | None = None
    #: Length of a canned video that does not say its own.
    canned_seconds: Decimal = Decimal(10)
    #: Goes before answers given in Molmo2's name, so that none passes for Molmo2's.
    answer_prefix: str = "Sandbox answer, not Molmo2: "

    def __post_init__(self) -> None:
        if not self.api_key:
            raise SettingsError(
                "A sandbox needs a key that is not empty; leave it out for the default."
            )
        if not 0 <= self.discount <= 1:
            message = f"A discount is a fraction from 0 to 1, not {self.discount}."
            raise SettingsError(message)
        if min(self.latency_scale, self.latency_mean_seconds, self.minute_seconds) < 0:
            raise SettingsError(
                "Latencies and minutes are lengths of time; give 0 or more seconds."
            )
        if self.allow_files and self.mode is Mode.CANNED:
            raise SettingsError("A canned sandbox opens no files; leave out allow_files.")
