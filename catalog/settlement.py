"""Settlement: what ended predictions owe once the bill has been read, and where it differs.

The bill has the last word on money. A completed prediction is booked at its quote until then, and a
failed one keeps its hold. A lower bill is good news and is only shown; a higher one is *drift*.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, func, or_, select, update
from sqlalchemy.orm import Session

from catalog import ledger, tables
from catalog.models import Analysis, Prediction, UnclearBillLine
from catalog.values import AnalysisStatus, BillingRow, LedgerKind, PredictionStatus

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


def settlement_of(
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


#: A prediction that failed for a passing reason is tried this many times in all.
MOST_ATTEMPTS = 3

#: Task codes that say nothing of the video: it was not reached, or the provider is in trouble. What
#: failed so and cost nothing is tried again by later runs, however often it was before.
OF_THE_PROVIDER = frozenset({1402, 5000, 5003, 5004})


@dataclass(frozen=True, kw_only=True, slots=True)
class Billed:
    """What the bill says of one ended prediction."""

    prediction_id: int
    found: Settlement
    now: datetime


def settle(session: Session, items: Sequence[Billed]) -> list[bool]:
    """Book these; False at the place of one that was settled before."""
    session.flush()
    open_ = {
        row.id: row
        for row in session.execute(
            select(Prediction.id, Prediction.status, Prediction.quoted_micros)
            .where(
                Prediction.id.in_([item.prediction_id for item in items]),
                Prediction.settled_at.is_(None),
            )
            .with_for_update()
        )
    }
    as_quoted: list[dict[str, Any]] = []
    made: list[bool] = []
    for item in items:
        row = open_.pop(item.prediction_id, None)
        made.append(row is not None)
        if row is None:
            continue
        if row.status is PredictionStatus.COMPLETED and item.found.net == row.quoted_micros:
            as_quoted.append({"of": row.id, "charged": item.found.net, "at": item.now})
            continue
        prediction = session.get_one(Prediction, row.id, populate_existing=True)
        analysis = session.get_one(Analysis, prediction.analysis_id, populate_existing=True)
        book(session, prediction, analysis, item.found, now=item.now)
    if as_quoted:
        session.execute(_AS_QUOTED, as_quoted)
    return made


def heed_silence(
    session: Session, prediction_ids: Sequence[int], *, since: datetime | None
) -> None:
    """Note since when the bill shows nothing at all about these; None once it does again."""
    session.execute(
        update(Prediction)
        .where(Prediction.id.in_(prediction_ids), Prediction.settled_at.is_(None))
        .values(bill_silent_since=since)
        .execution_options(synchronize_session=False)
    )


def book(
    session: Session,
    prediction: Prediction,
    analysis: Analysis,
    found: Settlement,
    *,
    now: datetime,
) -> None:
    """Book one, which the transaction has locked and which was not settled before."""
    if prediction.status is PredictionStatus.COMPLETED:
        difference = found.net - prediction.quoted_micros
        if difference:
            ledger.book(session, prediction, LedgerKind.ADJUSTMENT, difference, now=now)
    else:
        ledger.release(session, prediction, now=now)
        if found.deducted:
            ledger.book(session, prediction, LedgerKind.CHARGE, found.deducted, now=now)
        if found.refunded:
            ledger.book(session, prediction, LedgerKind.REFUND, -found.refunded, now=now)
        again = prediction.retryable and (
            analysis.attempts < MOST_ATTEMPTS
            or (found.net == 0 and prediction.error_code in OF_THE_PROVIDER)
        )
        if again and not prediction.surplus and analysis.status is AnalysisStatus.FAILED:
            analysis.status = AnalysisStatus.WANTED
    prediction.charged_micros = found.net
    prediction.settled_at = now


_predictions = tables.predictions
_AS_QUOTED = (
    update(_predictions)
    .where(_predictions.c.id == bindparam("of"))
    .values(charged_micros=bindparam("charged"), settled_at=bindparam("at"))
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Drift:
    """How much more was billed than quoted, in micro-dollars, over how many predictions."""

    micros: int
    predictions: int
    #: How many lines cannot be counted, and what is wrong with one of them.
    lines: int = 0
    reason: str | None = None


def _higher(endpoint: str | None) -> ColumnElement[bool]:
    billed_more = and_(
        Prediction.settled_at.is_not(None),
        Prediction.charged_micros > Prediction.quoted_micros,
    )
    return billed_more if endpoint is None else and_(billed_more, Prediction.endpoint == endpoint)


def unseen(session: Session, endpoint: str) -> Drift:
    """Sum the higher bills, and count the lines, that nobody has taken note of."""
    query = select(
        func.coalesce(func.sum(Prediction.charged_micros - Prediction.quoted_micros), 0),
        func.count(),
    ).where(_higher(endpoint), Prediction.drift_seen_at.is_(None))
    micros, count = session.execute(query).one()
    lines, reason = session.execute(
        select(func.count(), func.min(UnclearBillLine.reason)).where(_unseen_lines(endpoint))
    ).one()
    return Drift(micros=int(micros), predictions=count, lines=lines, reason=reason)


def _unseen_lines(endpoint: str) -> ColumnElement[bool]:
    return and_(UnclearBillLine.endpoint == endpoint, UnclearBillLine.seen_at.is_(None))


def acknowledge(session: Session, endpoint: str, *, now: datetime) -> Drift:
    """Take note of every higher bill, and of every line, so far; gives what there was."""
    found = unseen(session, endpoint)
    session.execute(
        update(Prediction)
        .where(_higher(endpoint), Prediction.drift_seen_at.is_(None))
        .values(drift_seen_at=now)
        .execution_options(synchronize_session=False)
    )
    session.execute(
        update(UnclearBillLine)
        .where(_unseen_lines(endpoint))
        .values(seen_at=now)
        .execution_options(synchronize_session=False)
    )
    return found


def note_unclear(
    session: Session,
    endpoint: str,
    lines: Sequence[UnclearLine],
    *,
    asked: Collection[str],
    now: datetime,
) -> None:
    """Keep what cannot be counted of the bill for the predictions that were asked about.

    What can be counted now stops nobody any more.
    """
    mine = and_(UnclearBillLine.endpoint == endpoint, UnclearBillLine.provider_id.in_(asked))
    now_unclear = {(one.line, one.provider_id or ""): one.reason for one in lines}
    known: set[tuple[str, str]] = set()
    which = or_(mine, UnclearBillLine.line.in_([one.line for one in lines]))
    for row in session.scalars(select(UnclearBillLine).where(which)):
        if row.endpoint != endpoint:
            continue
        identity = (row.line, row.provider_id)
        known.add(identity)
        if row.seen_at is None and row.provider_id in asked and identity not in now_unclear:
            session.delete(row)
    session.add_all(
        UnclearBillLine(
            endpoint=endpoint,
            line=line,
            provider_id=provider_id,
            reason=reason,
            found_at=now,
        )
        for (line, provider_id), reason in now_unclear.items()
        if (line, provider_id) not in known
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownLines:
    """What is kept of lines that cannot be counted."""

    #: Ids of those that a person took note of.
    noted: frozenset[str] = frozenset()
    #: Which predictions have others.
    unseen_of: frozenset[str] = frozenset()


def known_lines(session: Session, endpoint: str) -> KnownLines:
    """Give what is kept at an endpoint."""
    rows = session.execute(
        select(UnclearBillLine.line, UnclearBillLine.provider_id, UnclearBillLine.seen_at).where(
            UnclearBillLine.endpoint == endpoint
        )
    ).all()
    return KnownLines(
        noted=frozenset(row.line for row in rows if row.seen_at is not None),
        unseen_of=frozenset(row.provider_id for row in rows if row.seen_at is None),
    )
