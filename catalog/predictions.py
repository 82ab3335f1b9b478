"""Predictions: each move of a paid attempt after it was held, with its money, in one transaction.

Every function here is called inside a transaction and leaves the ledger, the budgets and the
analysis agreeing. A move that another process has already made is not made twice: the function
says so by giving False.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from catalog import ledger, outcomes, settlements
from catalog.errors import CatalogReplaced, ProviderIdTaken
from catalog.lifecycle import ENDED, is_to_make
from catalog.matching import INTENT_LASTS
from catalog.models import Analysis, Prediction
from catalog.outcomes import Acceptance, Completion
from catalog.settlements import Billed
from catalog.settling import Settlement
from catalog.values import (
    AnalysisStatus,
    Completed,
    Failed,
    PredictionStatus,
    RefusalKind,
    Refused,
)

#: A prediction in one of these, that is found at the provider, was sent after all.
ADOPTABLE = frozenset(
    {PredictionStatus.UNCERTAIN, PredictionStatus.RELEASED, PredictionStatus.HELD}
)

#: Why a person's decision released a prediction; unlike any other, it may have been accepted.
GIVEN_UP = "Assumed lost by a person's decision."
#: Why a prediction is uncertain that was accepted: no list can show that it never arrived.
ID_TAKEN = str(ProviderIdTaken())


def _take(
    session: Session,
    prediction_id: int,
    after: PredictionStatus,
    *,
    only_from: Collection[PredictionStatus] | None = None,
) -> tuple[Prediction, Analysis] | None:
    """Lock a prediction and make its move.

    None if the move is not to be made any more: it was made, the prediction has ended some other
    way, or it is in none of `only_from`, because another process knew more.

    Raises:
        IllegalMove: if the lifecycle does not know the move.
    """
    prediction = _lock(session, prediction_id)
    if only_from is not None and prediction.status not in only_from:
        return None
    if prediction.status is PredictionStatus.HELD and after in ENDED:
        raise CatalogReplaced  # it has forgotten that this one was sent
    if not is_to_make(prediction.status, after):
        return None
    prediction.status = after
    return prediction, _analysis_of(session, prediction)


def _lock(session: Session, prediction_id: int) -> Prediction:
    """Give a prediction as it is now, for this transaction alone."""
    session.flush()
    return session.get_one(Prediction, prediction_id, with_for_update=True, populate_existing=True)


def _analysis_of(session: Session, prediction: Prediction) -> Analysis:
    return session.get_one(Analysis, prediction.analysis_id, populate_existing=True)


def _release(
    session: Session,
    prediction_id: int,
    *,
    only_from: Collection[PredictionStatus],
    reason: str | None,
    retry: bool,
    now: datetime,
) -> bool:
    moved = _take(session, prediction_id, PredictionStatus.RELEASED, only_from=only_from)
    if moved is None:
        return False
    prediction, analysis = moved
    prediction.error = reason
    ledger.release(session, prediction, now=now)
    if not prediction.surplus and not _promote(session, analysis):
        analysis.status = AnalysisStatus.WANTED if retry else AnalysisStatus.FAILED
        analysis.error = None if retry else reason
    return True


def _promote(session: Session, analysis: Analysis) -> bool:
    """Let a surplus prediction take the place of one that is alive no longer; False if none is."""
    session.flush()
    heir = session.scalars(
        select(Prediction)
        .where(
            Prediction.analysis_id == analysis.id,
            Prediction.surplus.is_(True),
            Prediction.status.in_(_STANDS_FOR),
        )
        .order_by(Prediction.id)
        .limit(1)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if heir is None:
        return False
    heir.surplus = False
    analysis.status = _STANDS_FOR[heir.status]
    analysis.error = None
    session.flush()
    return True


#: What an analysis is while its prediction is alive.
_STANDS_FOR = {
    PredictionStatus.UNCERTAIN: AnalysisStatus.UNCERTAIN,
    PredictionStatus.RUNNING: AnalysisStatus.PENDING,
    PredictionStatus.COMPLETED: AnalysisStatus.COMPLETED,
}


def drop(
    session: Session, prediction_id: int, *, reason: str | None, retry: bool, now: datetime
) -> bool:
    """Release what is held and was not sent; without `retry` the analysis has failed for `reason`.

    False if it is not just held any more: what may have been sent keeps its money.
    """
    return _release(
        session,
        prediction_id,
        only_from=(PredictionStatus.HELD,),
        reason=reason,
        retry=retry,
        now=now,
    )


def refuse(session: Session, prediction_id: int, refusal: Refused, *, now: datetime) -> bool:
    """The provider did not take it: the money is free, and only a wrong request has failed."""
    return _release(
        session,
        prediction_id,
        only_from=(PredictionStatus.SUBMITTING, PredictionStatus.UNCERTAIN),
        reason=refusal.reason,
        retry=refusal.kind is not RefusalKind.ITEM,
        now=now,
    )


def deny(session: Session, prediction_id: int, *, now: datetime) -> bool:
    """An uncertain submission was never accepted: the money is free, the analysis wanted again.

    False if it is not uncertain any more, or was accepted under another's id.
    """
    if _lock(session, prediction_id).error == ID_TAKEN:
        return False
    return _release(
        session,
        prediction_id,
        only_from=(PredictionStatus.UNCERTAIN,),
        reason="The provider never received it.",
        retry=True,
        now=now,
    )


def assume_lost(session: Session, prediction_id: int, *, now: datetime) -> bool:
    """A person decided that an uncertain submission was never accepted; False if it is not one."""
    if session.get(Prediction, prediction_id) is None:
        return False
    return _release(
        session,
        prediction_id,
        only_from=(PredictionStatus.UNCERTAIN,),
        reason=GIVEN_UP,
        retry=True,
        now=now,
    )


def accept(session: Session, prediction_id: int, provider_id: str, *, now: datetime) -> bool:
    """The provider took it: it runs, under this id, whoever learned of it."""
    one = Acceptance(prediction_id=prediction_id, provider_id=provider_id, now=now)
    return outcomes.accept(session, [one])[0]


def adopt(
    session: Session, prediction_id: int, provider_id: str, *, run_id: str, now: datetime
) -> bool:
    """A submission was accepted after all: it runs, and `run_id` looks after it.

    It is uncertain, or it was released, or it is held in a catalog that was restored, and nobody
    else is about to send it. False if it is none of these any more, or the id is another
    prediction's.
    """
    prediction = _lock(session, prediction_id)
    if prediction.status not in ADOPTABLE:
        return False
    if prediction.status is PredictionStatus.HELD and prediction.owner_run_id != run_id:
        return False
    if session.scalar(select(Prediction.id).where(Prediction.provider_id == provider_id)):
        return False
    prediction.owner_run_id = run_id
    prediction.submitted_at = prediction.submitted_at or now
    if prediction.status is PredictionStatus.HELD:
        prediction.status = PredictionStatus.SUBMITTING  # it was, after the backup
        session.flush()
    return accept(session, prediction_id, provider_id, now=now)


def lose(
    session: Session,
    prediction_id: int,
    *,
    reason: str,
    now: datetime,
    may_be_asleep: bool = False,
) -> bool:
    """The answer to the POST never came: the money stays held until reconcile knows more.

    One that was released meanwhile is held again. Where its sender is only taken for dead, it may
    be asleep, and send as long as the intent lasts. False if somebody has learned of it otherwise.
    """
    before = _lock(session, prediction_id)
    if before.status is PredictionStatus.RELEASED:
        outcomes.hold_again(session, prediction_id, now=now)
    moved = _take(
        session,
        prediction_id,
        PredictionStatus.UNCERTAIN,
        only_from=(PredictionStatus.SUBMITTING, PredictionStatus.RELEASED),
    )
    if moved is None:
        return False
    prediction, analysis = moved
    prediction.error = reason
    # It was not sent later than that, nor later than an intent may be sent.
    intended = (prediction.submitted_at or now) + (INTENT_LASTS if may_be_asleep else timedelta(0))
    prediction.uncertain_at = max(now, intended)
    if not prediction.surplus and analysis.status is not AnalysisStatus.COMPLETED:
        analysis.status = AnalysisStatus.UNCERTAIN
    return True


def complete(
    session: Session,
    prediction_id: int,
    answer: Completed,
    *,
    coverage: str | None,
    now: datetime,
) -> bool:
    """Keep the answer and book its quote as charged, until the bill says what it was."""
    one = Completion(prediction_id=prediction_id, answer=answer, coverage=coverage, now=now)
    return outcomes.complete(session, [one])[0]


def fail(session: Session, prediction_id: int, failure: Failed, *, now: datetime) -> bool:
    """It ended without an answer. The money stays held until the bill says what became of it."""
    return _end(session, prediction_id, PredictionStatus.FAILED, failure, now)


def expire(session: Session, prediction_id: int, *, now: datetime) -> bool:
    """The provider forgot it before its answer was collected."""
    failure = Failed(
        reason="The provider no longer knows it; its answer was not collected in time.",
        retryable=True,
    )
    return _end(session, prediction_id, PredictionStatus.EXPIRED, failure, now)


def _end(
    session: Session,
    prediction_id: int,
    status: PredictionStatus,
    failure: Failed,
    now: datetime,
) -> bool:
    moved = _take(session, prediction_id, status)
    if moved is None:
        return False
    prediction, analysis = moved
    prediction.completed_at = now
    prediction.error = failure.reason
    prediction.error_code = failure.code
    prediction.retryable = failure.retryable
    if not prediction.surplus and not _promote(session, analysis):
        analysis.status = AnalysisStatus.FAILED
        analysis.error = failure.reason
    if prediction.quoted_micros == 0:
        nothing = Settlement(deducted=0, refunded=0)
        settlements.book(session, prediction, analysis, nothing, now=now)
    return True


def settle(session: Session, prediction_id: int, found: Settlement, *, now: datetime) -> bool:
    """Book what the bill says an ended prediction cost; False if it was settled before."""
    one = Billed(prediction_id=prediction_id, found=found, now=now)
    return settlements.settle(session, [one])[0]
