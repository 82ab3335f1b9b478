"""What a prediction owes, once the bill has been read. Pure rules.

The bill has the last word on money: a completed prediction was booked at its quote until then, and
a failed one keeps its hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from catalog.values import BillingRow, PredictionStatus

#: A deduction that has not shown this long after the end will not: deductions are made at
#: submission, an hour is many times any lag that was reported.
DEDUCTION_SHOWS_WITHIN = timedelta(hours=1)

#: "Refunded automatically within 3 hours" (the provider's refund policy); a day is generous. A
#: failed prediction that is not refunded by then was charged.
REFUND_SHOWS_WITHIN = timedelta(hours=24)


@dataclass(frozen=True, kw_only=True, slots=True)
class Settlement:
    """What a prediction cost in the end, in micro-dollars."""

    deducted: int
    #: Never more than was deducted.
    refunded: int

    @property
    def net(self) -> int:
        """Deductions less refunds."""
        return self.deducted - self.refunded


def settlement(
    status: PredictionStatus,
    rows: Sequence[BillingRow],
    *,
    ended_at: datetime,
    now: datetime,
) -> Settlement | None:
    """Say what an ended prediction cost; None while the bill may still change.

    - Completed: as soon as a deduction shows.
    - Never while a row's amount cannot be told.
    - Failed or expired: once a refund covers the deduction, or a deduction or its refund would
      have shown by now.
    """
    deducted = _sum(rows, "deduct")
    refunded = _sum(rows, "refund")
    if deducted is None or refunded is None:
        return None
    # A refund of more than was taken is a bill not read to its end, not a gift to the budget.
    found = Settlement(deducted=deducted, refunded=min(refunded, deducted))
    final: bool
    if status is PredictionStatus.COMPLETED:
        final = deducted > 0
    elif deducted == 0:
        final = now - ended_at > DEDUCTION_SHOWS_WITHIN
    else:
        final = refunded >= deducted or now - ended_at > REFUND_SHOWS_WITHIN
    return found if final else None


def _sum(rows: Sequence[BillingRow], kind: str) -> int | None:
    amounts = [row.amount_micros for row in rows if row.kind == kind]
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if len(known) == len(amounts) else None
