"""Settlements: book what the bill says that ended predictions cost.

Called inside a transaction. Nearly every one is of a completed prediction that cost its quote,
which moves no money any more: those are written together in one statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from catalog import ledger
from catalog.models import Analysis, Prediction
from catalog.settling import Settlement
from catalog.values import AnalysisStatus, LedgerKind, PredictionStatus

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


_predictions: Any = Prediction.__table__
_AS_QUOTED = (
    update(_predictions)
    .where(_predictions.c.id == bindparam("of"))
    .values(charged_micros=bindparam("charged"), settled_at=bindparam("at"))
)
