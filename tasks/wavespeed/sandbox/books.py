"""The sandbox's own books: what was deducted and paid back. Rows are only ever added."""

from __future__ import annotations

import hashlib
import heapq
from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass
from operator import attrgetter

from tasks.wavespeed.sandbox.predictions import Prediction

_when = attrgetter("created_ns")


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One line of the bill."""

    uuid: str
    #: `deduct` or `refund`.
    kind: str
    amount_micros: int
    origin_micros: int
    created_ns: int
    prediction: Prediction


@dataclass(frozen=True, kw_only=True, slots=True)
class BillingQuery:
    """Which rows are asked for; None is all."""

    kind: str | None
    prediction_ids: tuple[str, ...] | None
    start_ns: int | None
    end_ns: int | None


class Books:
    """The bill and the balance of one account."""

    def __init__(self, balance_micros: int) -> None:
        self.balance_micros = balance_micros
        self.deducted_micros = 0
        self.refunded_micros = 0
        self.rows: list[Row] = []
        self._by_prediction: dict[str, list[Row]] = {}
        self._refunds_due: list[tuple[int, str, Prediction]] = []

    def deduct(self, prediction: Prediction) -> None:
        """Take the price at submission; the row stays `pre` until the prediction ends."""
        self.balance_micros -= prediction.price_micros
        self.deducted_micros += prediction.price_micros
        self._enter("deduct", prediction, prediction.created_ns)

    def owe_refund(self, prediction: Prediction, due_ns: int) -> None:
        """Note that a price is paid back at `due_ns`."""
        heapq.heappush(self._refunds_due, (due_ns, prediction.id, prediction))

    def turn(self, by_ns: int) -> None:
        """Go on by a clock that was turned."""
        self._refunds_due = [(due_ns + by_ns, id_, one) for due_ns, id_, one in self._refunds_due]

    def advance(self, now_ns: int) -> None:
        """Pay back what was due by now."""
        while self._refunds_due and self._refunds_due[0][0] <= now_ns:
            due_ns, _, prediction = heapq.heappop(self._refunds_due)
            self.balance_micros += prediction.price_micros
            self.refunded_micros += prediction.price_micros
            self._enter("refund", prediction, due_ns)

    def charged(self, prediction_id: str) -> int:
        """Say what a prediction cost in the end, in micro-dollars."""
        rows = self._by_prediction.get(prediction_id, ())
        return sum(r.amount_micros if r.kind == "deduct" else -r.amount_micros for r in rows)

    def search(self, query: BillingQuery) -> list[Row]:
        """Give the rows that match, oldest first."""
        rows = self.rows
        if query.prediction_ids is not None:
            wanted = dict.fromkeys(query.prediction_ids)
            rows = [row for id_ in wanted for row in self._by_prediction.get(id_, ())]
            rows.sort(key=_when)
        low = 0 if query.start_ns is None else bisect_left(rows, query.start_ns, key=_when)
        high = len(rows) if query.end_ns is None else bisect_right(rows, query.end_ns, key=_when)
        return [row for row in rows[low:high] if query.kind in (None, row.kind)]

    def _enter(self, kind: str, prediction: Prediction, at_ns: int) -> None:
        # Named after what it books, so that a restart from the state file names it the same.
        uuid = hashlib.sha256(f"{prediction.id}:{kind}".encode()).hexdigest()[:32]
        row = Row(
            uuid=uuid,
            kind=kind,
            amount_micros=prediction.price_micros,
            origin_micros=prediction.list_price_micros,
            created_ns=at_ns,
            prediction=prediction,
        )
        insort(self.rows, row, key=_when)
        self._by_prediction.setdefault(prediction.id, []).append(row)
