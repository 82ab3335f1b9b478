"""What one submission is charged: the list price, a discount, or what a fault makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from tasks.wavespeed.sandbox.faults import Fault
from tasks.wavespeed.sandbox.options import SandboxOptions
from tasks.wavespeed.sandbox.tariff import BLOCK_MICROS, Rounding, discounted, price_micros

_HALF = Decimal("0.5")


@dataclass(frozen=True, kw_only=True, slots=True)
class Charge:
    """What one submission costs."""

    list_micros: int
    micros: int
    #: False where the books are to show nothing of it.
    is_booked: bool


def charge(
    options: SandboxOptions, *, model: str, duration_seconds: Decimal | None, fault: Fault | None
) -> Charge:
    """Say what a submission is charged under a fault of stage CHARGE, or none."""
    listed = price_micros(model, duration_seconds, options.rounding)
    micros = discounted(listed, options.discount)
    if fault is Fault.CHARGE_DISCOUNTED:
        micros = discounted(listed, _HALF)
    elif fault is Fault.CHARGE_PER_SECOND:
        micros = price_micros(model, duration_seconds, Rounding.PER_SECOND)
    elif fault is Fault.CHARGE_MORE:
        micros += BLOCK_MICROS
    elif fault is Fault.CHARGE_15_DOLLARS:
        micros = 15_000_000
    elif fault is Fault.CHARGE_NONE:
        micros = 0
    return Charge(list_micros=listed, micros=micros, is_booked=fault is not Fault.CHARGE_NONE)
