"""What a prediction owes, once the bill has been read. Pure rules.

The bill has the last word on money: a completed prediction was booked at its quote until then, and
a failed one keeps its hold.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from catalog.values import BillingRow, PredictionStatus

#: What a line of the bill can be.
DEDUCT, REFUND = "deduct", "refund"

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


@dataclass(frozen=True, kw_only=True, slots=True)
class UnclearLine:
    """A line of the bill that is there and cannot be counted as what it is."""

    #: Its id at the provider.
    line: str
    #: Whose it is; None if nobody knows.
    provider_id: str | None
    #: What is wrong with it, for people.
    reason: str


def unclear_lines(
    rows: Sequence[BillingRow], *, ended_at: datetime | None, now: datetime
) -> list[UnclearLine]:
    """Name what cannot be counted among the lines of one prediction, or among those of none.

    Refunds of more than was deducted are unclear only once a deduction shows, or would have.
    """
    found = [
        UnclearLine(line=row.uuid, provider_id=row.provider_id, reason=reason)
        for row in rows
        if (reason := _unclear(row, rows)) is not None
    ]
    deducted, refunded = _sums(rows)
    late = ended_at is not None and now - ended_at > DEDUCTION_SHOWS_WITHIN
    if refunded > deducted and (deducted or late):
        found += [
            UnclearLine(line=row.uuid, provider_id=row.provider_id, reason=_words(row, _EXCESS))
            for row in rows
            if row.kind == REFUND
        ]
    return found


_EXCESS = "is part of refunds of more than was deducted"


def _unclear(row: BillingRow, rows: Sequence[BillingRow]) -> str | None:
    if row.provider_id is None:
        return _words(row, "names no prediction")
    if row.amount_micros is None:
        return _words(row, "has no amount in dollars that can be told")
    if row.kind not in {DEDUCT, REFUND} and row.amount_micros:
        return _words(row, "is neither a deduction nor a refund")
    same = {one.is_negative for one in rows if one.kind == row.kind and one.amount_micros}
    if len(same) > 1 and row.is_negative:
        return _words(row, "has a minus sign that others of its kind have not")
    return None


def _words(row: BillingRow, what: str) -> str:
    return f"A line of the bill ({row.words or row.kind}) {what}."


def settlement(
    status: PredictionStatus,
    rows: Sequence[BillingRow],
    *,
    ended_at: datetime,
    now: datetime,
    quoted: int = 0,
    noted: Collection[str] = (),
) -> Settlement | None:
    """Say what an ended prediction cost; None while the bill may still change.

    - Completed: as soon as a deduction shows.
    - Never while a row's amount cannot be told, or refunds are more than was deducted, until a
      person took note: `noted` are the ids of such rows. An amount that cannot be told counts as
      what was quoted then, and as nothing if it is a refund.
    - What is no refund counts as a deduction, whatever its kind.
    - Failed or expired: once a refund covers the deduction, or a deduction or its refund would
      have shown by now.
    """
    rows = [_as_noted(row, quoted) if row.uuid in noted else row for row in rows]
    if any(row.amount_micros is None for row in rows):
        return None
    deducted, refunded = _sums(rows)
    if refunded > deducted and any(row.kind == REFUND and row.uuid not in noted for row in rows):
        return None
    # A refund of more than was taken is a bill not read to its end, not a gift to the budget.
    found = Settlement(deducted=deducted, refunded=min(refunded, deducted))
    final: bool
    if status is PredictionStatus.COMPLETED:
        final = any(row.kind == DEDUCT and row.amount_micros for row in rows)
    elif deducted == 0:
        final = now - ended_at > DEDUCTION_SHOWS_WITHIN
    else:
        final = refunded >= deducted or now - ended_at > REFUND_SHOWS_WITHIN
    return found if final else None


def _as_noted(row: BillingRow, quoted: int) -> BillingRow:
    if row.amount_micros is not None:
        return row
    if row.kind == REFUND:
        return replace(row, amount_micros=0)
    return replace(row, kind=DEDUCT, amount_micros=quoted)


def _sums(rows: Sequence[BillingRow]) -> tuple[int, int]:
    """Sum what is deducted and what is refunded, as far as it can be told."""
    refunded = sum(row.amount_micros or 0 for row in rows if row.kind == REFUND)
    return sum(row.amount_micros or 0 for row in rows) - refunded, refunded
