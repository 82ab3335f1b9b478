"""The account behind the key: its predictions, its charges, its bill and its history.

Synchronous and told what time it is. Decides what acceptance, ends and refunds mean for the
account's money. Rows of the bill are only ever added.
"""

from __future__ import annotations

import hashlib
import heapq
import random
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter
from typing import Any

from tasks.sandbox import predictions
from tasks.sandbox.faults import Fault, Stage
from tasks.sandbox.history import Duplicates, History, HistoryQuery, Page
from tasks.sandbox.journal import Journal, accepted_event, revive
from tasks.sandbox.options import BLOCK_MICROS, Rounding, SandboxOptions, discounted, price_micros
from tasks.sandbox.predictions import OPEN, End, Latency, Lifecycle, Prediction, StartGate, Status
from tasks.sandbox.wire import SECOND, span

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


Draw = Callable[[Stage, str], Fault | None]

_LATE_NS = 3 * 3600 * SECOND
_UNLISTED_NS = 90 * SECOND


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """What was asked for, after unknown keys were dropped."""

    model: str
    video: str
    task: str
    text: str | None


class Account:
    """Everything that one key has done here."""

    def __init__(self, options: SandboxOptions, *, journal: Journal, draw: Draw) -> None:
        self._options = options
        self._journal = journal
        self._draw = draw
        # Not a secret: ids are repeatable only where a seed asks for it.
        self._random = random.Random(options.seed)  # noqa: S311
        self._latency = Latency(options, self._random)
        tier = options.tier
        slots = None if tier is None else tier.max_concurrent
        self._lifecycle = Lifecycle(slots=slots, on_end=self._ended)
        self._last_ns = 0
        #: The clock may have been turned back since.
        self._newest_ns = 0
        self.gate = StartGate(
            per_minute=None if tier is None else tier.starts_per_minute,
            minute_ns=span(options.minute_seconds),
        )
        self.books = Books(options.balance_micros)
        self.history = History()
        self.duplicates = Duplicates()
        self.predictions: dict[str, Prediction] = {}
        self.in_flight = 0
        self.in_flight_peak = 0

    def turn(self, by_ns: int) -> None:
        """Go on by a clock that was turned: what is under way takes as long as before."""
        self._lifecycle.turn(by_ns)
        self.books.turn(by_ns)
        self._last_ns = 0

    def advance(self, now_ns: int) -> None:
        """Let everything happen that was due by now."""
        self._lifecycle.advance(now_ns)
        self.books.advance(now_ns)

    def new_id(self) -> str:
        """Give 32 hexadecimal digits."""
        return f"{self._random.getrandbits(128):032x}"

    def charge_for(self, submission: Submission, duration: Decimal | None) -> Charge:
        """Say what a submission will be charged; draws the faults of the charge."""
        return charge(
            self._options,
            model=submission.model,
            duration_seconds=duration,
            fault=self._draw(Stage.CHARGE, about(submission)),
        )

    def draft(
        self, submission: Submission, *, identity: str, duration: Decimal | None, price: Charge
    ) -> Prediction:
        """Make the prediction that acceptance would make, without accepting it."""
        fate = self._draw(Stage.TASK, about(submission))
        latency_ns = self._latency.draw()
        prediction = Prediction(
            id=self.new_id(),
            model=submission.model,
            task=submission.task,
            text=submission.text,
            video=submission.video,
            identity=identity,
            duration_seconds=duration,
            price_micros=price.micros,
            list_price_micros=price.list_micros,
            is_billed=price.is_booked,
            created_ns=0,
            latency_ns=latency_ns * 10 if fate is Fault.TASK_SLOW else latency_ns,
            fate=fate,
        )
        if fate is not None:
            prediction.result = predictions.FORCED_ENDS.get(fate)
        return prediction

    def accept(self, prediction: Prediction, now_ns: int) -> None:
        """Take a prediction in: from here on it is billed."""
        prediction.created_ns = self._tick(now_ns)
        self._journal.write("accepted", **accepted_event(prediction))
        self._note(prediction)
        self._lifecycle.admit(prediction, now_ns)
        self.gate.count(now_ns)
        fault = self._draw(Stage.HISTORY, f"{prediction.video} {prediction.task}")
        if fault is Fault.HISTORY_FOREIGN_ROWS:
            self.add_foreign(prediction.model, now_ns)
        elif fault is Fault.HISTORY_LATE:
            prediction.listed_ns = now_ns + _UNLISTED_NS
            self.history.hide(prediction)

    def work_done(self, prediction: Prediction, result: End, now_ns: int) -> None:
        """Note what a prediction's work came to; it shows when its latency is over."""
        prediction.result = result
        self._lifecycle.work_done(prediction, now_ns)

    def add_foreign(self, model: str, now_ns: int) -> None:
        """Let somebody else's run of `model` enter the history."""
        id_ = self.new_id()
        at_ns = self._tick(now_ns)
        video = f"https://elsewhere.example/{id_[:8]}.mp4"
        other = Prediction(
            id=id_,
            model=model,
            task="general",
            text=None,
            video=video,
            identity=video,
            duration_seconds=Decimal(5),
            price_micros=0,
            list_price_micros=0,
            is_billed=False,
            created_ns=at_ns,
            latency_ns=0,
            foreign=True,
            status=Status.COMPLETED,
            ended_ns=at_ns,
            end=End(status=Status.COMPLETED, text="Somebody else's answer."),
        )
        self.predictions[id_] = other
        self.history.add(other)

    def get(self, id_: str, now_ns: int) -> Prediction | None:
        """Give a prediction that is still known; None after its retention or its removal."""
        prediction = self.predictions.get(id_)
        if prediction is None or self.is_expired(prediction, now_ns):
            return None
        return prediction

    def is_expired(self, prediction: Prediction, now_ns: int) -> bool:
        """Say whether a prediction is past its retention."""
        return now_ns >= prediction.created_ns + span(self._options.retention_seconds)

    def page(
        self, query: HistoryQuery, *, lag_ns: int, now_ns: int, only_foreign: bool = False
    ) -> Page:
        """Give one page of the history, without what is too new or too old to be listed."""
        oldest_ns = now_ns - span(self._options.retention_seconds) + 1
        return self.history.page(
            query,
            oldest_ns=oldest_ns,
            newest_ns=max(now_ns, self._newest_ns) if lag_ns == 0 else now_ns - lag_ns,
            now_ns=now_ns,
            only_foreign=only_foreign,
        )

    def mark_read(self, prediction: Prediction) -> None:
        """Note that a poll brought the prediction's end to the client."""
        if not prediction.read and not prediction.foreign:
            prediction.read = True
            self._journal.write("read", id=prediction.id)

    def mark_lost(self, prediction: Prediction) -> None:
        """Note that the answer to the submission never reached the client."""
        prediction.answer_lost = True
        self._journal.write("lost", id=prediction.id)

    def restore(self, event: dict[str, Any]) -> Prediction | None:
        """Take one event of the state file back in; gives a prediction that may need work again."""
        kind = event["event"]
        if kind == "accepted":
            prediction = revive(event)
            self._last_ns = max(self._last_ns, prediction.created_ns)
            self._newest_ns = self._last_ns
            self.books.advance(prediction.created_ns)
            self._note(prediction)
            # Ids drawn from a seed must not come again.
            self._random.seed(prediction.id)
            return prediction
        prediction = self.predictions[event["id"]]
        if kind == "read":
            prediction.read = True
        elif kind == "lost":
            prediction.answer_lost = True
        elif kind == "ended":
            end = End(
                status=Status(event["status"]),
                text=event["text"],
                error=event["error"],
                code=event["code"],
            )
            self._settle(prediction, end, at_ns=event["at_ns"], refund_ns=event["refund_ns"])
        return None

    def readmit(self, prediction: Prediction) -> None:
        """Let a restored prediction that had not ended go on."""
        self._lifecycle.admit(prediction, prediction.created_ns)

    def _note(self, prediction: Prediction) -> None:
        self.duplicates.note(prediction, self.is_expired)
        self.predictions[prediction.id] = prediction
        self.history.add(prediction)
        if prediction.is_billed:
            self.books.deduct(prediction)
        self.in_flight += 1
        self.in_flight_peak = max(self.in_flight_peak, self.in_flight)

    def _ended(self, prediction: Prediction, at_ns: int) -> None:
        end = prediction.result
        if end is None:
            return
        refund_ns = self._refund_due(prediction, end, at_ns)
        self._settle(prediction, end, at_ns=at_ns, refund_ns=refund_ns)
        self._journal.write(
            "ended",
            id=prediction.id,
            at_ns=at_ns,
            status=end.status,
            text=end.text,
            error=end.error,
            code=end.code,
            refund_ns=refund_ns,
        )

    def _settle(
        self, prediction: Prediction, end: End, *, at_ns: int, refund_ns: int | None
    ) -> None:
        if prediction.status in OPEN:
            self.in_flight -= 1
        prediction.status = end.status
        prediction.result = prediction.end = end
        prediction.ended_ns = at_ns
        if refund_ns is not None:
            self.books.owe_refund(prediction, refund_ns)

    def _refund_due(self, prediction: Prediction, end: End, at_ns: int) -> int | None:
        if not prediction.is_billed or not predictions.is_refunded(end):
            return None
        fault = self._draw(Stage.REFUND, f"{prediction.video} {prediction.task}")
        if fault is Fault.REFUND_NEVER:
            return None
        if fault is Fault.REFUND_LATE:
            return at_ns + _LATE_NS
        return at_ns + span(self._options.refund_delay_seconds)

    def _tick(self, now_ns: int) -> int:
        # No two predictions share a moment, so that newest first has one meaning.
        self._last_ns = max(now_ns, self._last_ns + 1)
        self._newest_ns = max(self._newest_ns, self._last_ns)
        return self._last_ns


def about(submission: Submission) -> str:
    """Give the text by which a script of faults finds a submission."""
    return f"{submission.video} {submission.task} {submission.text or ''}"
