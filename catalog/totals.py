"""Money so far, and how the bill compares with what was quoted. Reads only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, and_, func, select, text

from catalog.tables import (
    LEDGER_CHARGED,
    PREDICTIONS_BILLED,
    UNFINISHED,
    UNSETTLED,
    ledger_entries,
    predictions,
    unclear_bill_lines,
)
from catalog.values import LedgerKind, PredictionStatus

_HELD = (LedgerKind.HOLD, LedgerKind.RELEASE)
#: A completed prediction released its hold when it ended.
_FRUITLESS = (PredictionStatus.FAILED, PredictionStatus.EXPIRED)


@dataclass(frozen=True, kw_only=True, slots=True)
class Totals:
    """Money so far, in micro-dollars."""

    held: int
    #: Refunds taken off.
    charged: int
    refunded: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """A prediction whose bill is not its quote, in micro-dollars."""

    prediction_id: int
    provider_id: str | None
    quoted: int
    charged: int
    #: Whether a person took note of it.
    seen: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Quotes and the bill, in micro-dollars, over what was settled and not refunded."""

    settled: int
    quoted: int
    charged: int
    differences: Sequence[Difference]

    @property
    def drift(self) -> int:
        """Bill less quotes; negative when less was billed."""
        return self.charged - self.quoted


_KIND, _AMOUNT = ledger_entries.c.kind, ledger_entries.c.amount_micros


def totals(connection: Connection, *, run_id: str | None = None) -> Totals:
    """Sum the ledger: what is still held, what was charged less refunds, what was refunded.

    Of one run, or of the whole catalog.
    """
    if run_id is not None:
        of_run = (
            select(_KIND, func.sum(_AMOUNT))
            .join(predictions, predictions.c.id == ledger_entries.c.prediction_id)
            .where(predictions.c.run_id == run_id)
        )
        return _totals_of(_sums(connection, of_run.group_by(_KIND)))
    charged = select(_KIND, func.sum(_AMOUNT)).where(text(LEDGER_CHARGED)).group_by(_KIND)
    return _totals_of(_open_holds(connection) | _sums(connection, charged))


def _open_holds(connection: Connection) -> dict[LedgerKind, int]:
    """Sum the holds, less what was released, of predictions that may still hold money.

    A prediction ends or is settled in the transaction that releases its hold. So those of all
    others come to nothing, and need not be read.
    """
    unbilled = and_(UNSETTLED, predictions.c.status.in_(_FRUITLESS))
    found: dict[LedgerKind, int] = {}
    for holding in (UNFINISHED, unbilled):
        query = (
            select(_KIND, func.sum(_AMOUNT))
            .join(predictions, predictions.c.id == ledger_entries.c.prediction_id)
            .where(holding, _KIND.in_(_HELD))
            .group_by(_KIND)
        )
        for kind, amount in _sums(connection, query).items():
            found[kind] = found.get(kind, 0) + amount
    return found


def _sums(connection: Connection, query: Select[Any]) -> dict[LedgerKind, int]:
    return {kind: int(amount) for kind, amount in connection.execute(query)}


def _totals_of(sums: Mapping[LedgerKind, int]) -> Totals:
    held = sum(sums.get(kind, 0) for kind in _HELD)
    return Totals(
        held=held,
        charged=sum(sums.values()) - held,
        refunded=-sums.get(LedgerKind.REFUND, 0),
    )


def compare(connection: Connection, *, limit: int) -> Comparison:
    """Hold the bill against the quotes; names the `limit` largest differences."""
    quoted, charged = predictions.c.quoted_micros, predictions.c.charged_micros
    billed = text(PREDICTIONS_BILLED)
    settled, quotes, charges = connection.execute(
        select(func.count(), func.sum(quoted), func.sum(charged)).where(billed)
    ).one()
    rows = connection.execute(
        select(
            predictions.c.id,
            predictions.c.provider_id,
            quoted,
            charged,
            predictions.c.drift_seen_at.is_not(None).label("seen"),
        )
        .where(billed, charged != quoted)
        .order_by(func.abs(charged - quoted).desc())
        .limit(limit)
    )
    return Comparison(
        settled=settled,
        quoted=int(quotes or 0),
        charged=int(charges or 0),
        differences=[
            Difference(
                prediction_id=row.id,
                provider_id=row.provider_id,
                quoted=row.quoted_micros,
                charged=row.charged_micros or 0,
                seen=bool(row.seen),
            )
            for row in rows
        ],
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownLine:
    """A line of the bill that cannot be counted, as a status shows it."""

    line: str
    provider_id: str | None
    reason: str
    #: Whether a person took note of it.
    seen: bool


def shown_lines(connection: Connection, *, limit: int) -> list[ShownLine]:
    """Give the lines that cannot be counted, those first that nobody took note of."""
    lines = unclear_bill_lines.c
    seen = lines.seen_at.is_not(None)
    rows = connection.execute(
        select(lines.line, lines.provider_id, lines.reason, seen.label("seen"))
        .order_by(seen, lines.id.desc())
        .limit(limit)
    )
    return [
        ShownLine(
            line=row.line,
            provider_id=row.provider_id or None,
            reason=row.reason,
            seen=bool(row.seen),
        )
        for row in rows
    ]
