"""Predictions after the hold: each move of a paid attempt, with its money, in one transaction.

Every function here is called inside a transaction and leaves the ledger, the budgets and the
analysis agreeing. A move that another process has already made is not made twice: the function
says so by giving False. Acceptances and completions are written for many at once, in a few
statements, so that a thousand in flight cost little.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, bindparam, case, insert, literal, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from catalog import ledger, search_index, settlement, tables
from catalog.errors import CatalogReplaced, ProviderIdTaken
from catalog.lifecycle import ENDED, LIVE, is_to_make
from catalog.matching import INTENT_LASTS
from catalog.models import Analysis, Prediction
from catalog.settlement import Settlement
from catalog.values import (
    AnalysisStatus,
    Completed,
    Failed,
    LedgerKind,
    PredictionStatus,
    RefusalKind,
    Refused,
)

#: "Predictions and outputs: 7 days, then deleted."
KEPT_FOR = timedelta(days=7)


@dataclass(frozen=True, kw_only=True, slots=True)
class Acceptance:
    """The provider took a prediction, under this id."""

    prediction_id: int
    provider_id: str
    now: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Completion:
    """The provider answered."""

    prediction_id: int
    answer: Completed
    #: What part of the video the answer covers, for people; None for all of it.
    coverage: str | None
    now: datetime


def accept(session: Session, items: Sequence[Acceptance]) -> list[bool]:
    """Write down that these run, whoever learned of it.

    One that was released meanwhile is held again, whatever the budgets say: it will be billed.

    Raises:
        IllegalMove: if the lifecycle does not know one of the moves; nothing is to be kept then.
        ProviderIdTaken: if one of the ids is another prediction's; nothing is to be kept then.
    """
    rows = _lock(session, [item.prediction_id for item in items])
    moves, made = _moves(rows, [item.prediction_id for item in items], PredictionStatus.RUNNING)
    if moves:
        moved = [items[position] for position in moves]
        surplus = {
            item.prediction_id
            for item in moved
            if (
                hold_again(session, item.prediction_id, now=item.now)
                if rows[item.prediction_id].status is PredictionStatus.RELEASED
                else rows[item.prediction_id].surplus
            )
        }
        values = [
            {
                "of": item.prediction_id,
                "provider_id": item.provider_id,
                "expires_at": (rows[item.prediction_id].submitted_at or item.now) + KEPT_FOR,
            }
            for item in moved
        ]
        try:
            session.execute(_ACCEPT, values)
        except IntegrityError as error:
            if "provider_id" not in str(error.orig):
                raise
            raise ProviderIdTaken from error
        asked = [item.prediction_id for item in moved if item.prediction_id not in surplus]
        if asked:
            session.execute(_RUN, [{"of": rows[one].analysis_id} for one in asked])
    return made


def hold_again(session: Session, prediction_id: int, *, now: datetime) -> bool:
    """Set the money of a released prediction aside again, which may have been sent after all.

    Gives whether it is surplus: another prediction of the same analysis is alive.
    """
    prediction = session.get_one(Prediction, prediction_id, populate_existing=True)
    ledger.book(session, prediction, LedgerKind.HOLD, prediction.quoted_micros, now=now)
    prediction.surplus = has_live(session, prediction.analysis_id, besides=prediction_id)
    session.flush()
    return prediction.surplus


def has_live(session: Session, analysis_id: int, *, besides: int | None = None) -> bool:
    """Whether a prediction of an analysis is alive, other than one of that id and surplus ones."""
    others = select(Prediction.id).where(
        Prediction.analysis_id == analysis_id,
        Prediction.status.in_(LIVE),
        Prediction.surplus.is_(False),
        Prediction.id != (besides or 0),
    )
    return session.execute(others.limit(1)).first() is not None


def complete(session: Session, items: Sequence[Completion]) -> list[bool]:
    """Keep these answers and book their quotes as charged, until the bill says what they were.

    Raises:
        IllegalMove: if the lifecycle does not know one of the moves; nothing is to be kept then.
    """
    rows = _lock(session, [item.prediction_id for item in items])
    moves, made = _moves(rows, [item.prediction_id for item in items], PredictionStatus.COMPLETED)
    if moves:
        moved = [(items[position], rows[items[position].prediction_id]) for position in moves]
        session.execute(_COMPLETE, [_ended(item, row) for item, row in moved])
        answered = [
            _answered(item, row)
            for item, row in moved
            if not (row.surplus and row.analysis_status is AnalysisStatus.COMPLETED)
        ]
        if answered:
            session.execute(_ANSWER, answered)
        # What is released is charged: what is committed under the budgets stays what it was.
        session.execute(
            insert(tables.ledger_entries),
            [entry for item, row in moved for entry in _entries(item, row)],
        )
        search_index.refresh(session, {row.video_id for _, row in moved})
    return made


def _lock(session: Session, prediction_ids: Collection[int]) -> dict[int, Row[Any]]:
    """Give predictions as they are now, for this transaction alone."""
    session.flush()
    found = session.connection().execute(_LOCK, {"of": list(prediction_ids)})
    rows = {row.id: row for row in found}
    if not rows.keys() >= set(prediction_ids):
        raise CatalogReplaced  # predictions are never deleted
    return rows


def _moves(
    rows: dict[int, Row[Any]], prediction_ids: Sequence[int], after: PredictionStatus
) -> tuple[list[int], list[bool]]:
    """Say at which positions a move is to be made, and for every position whether."""
    made: list[bool] = []
    met: set[int] = set()
    for prediction_id in prediction_ids:
        if rows[prediction_id].status is PredictionStatus.HELD:
            raise CatalogReplaced  # it has forgotten that this one was sent
        due = prediction_id not in met and is_to_make(rows[prediction_id].status, after)
        met.add(prediction_id)
        made.append(due)
    return [position for position, due in enumerate(made) if due], made


def _ended(item: Completion, row: Row[Any]) -> dict[str, Any]:
    return {
        "of": item.prediction_id,
        "completed_at": item.now,
        "charged_micros": row.quoted_micros,
        # Where nothing was to be paid, no bill will come.
        "settled_at": item.now if row.quoted_micros == 0 else None,
    }


def _answered(item: Completion, row: Row[Any]) -> dict[str, Any]:
    return {
        "of": row.analysis_id,
        "text": item.answer.text,
        "raw": item.answer.raw,
        "coverage": item.coverage,
        "completed_at": item.now,
    }


def _entries(item: Completion, row: Row[Any]) -> list[dict[str, Any]]:
    return [
        {
            "prediction_id": item.prediction_id,
            "kind": kind,
            "amount_micros": amount,
            "at": item.now,
            "price_list": row.price_list,
        }
        for kind, amount in (
            (LedgerKind.RELEASE, -row.quoted_micros),
            (LedgerKind.CHARGE, row.quoted_micros),
        )
    ]


_predictions = tables.predictions
_analyses = tables.analyses
# Put together once: a full tier asks for them many times a second.
_LOCK = (
    select(
        _predictions.c.id,
        _predictions.c.status,
        _predictions.c.analysis_id,
        _predictions.c.submitted_at,
        _predictions.c.quoted_micros,
        _predictions.c.price_list,
        _predictions.c.surplus,
        _predictions.c.owner_run_id,
        _predictions.c.error,
        _analyses.c.video_id,
        _analyses.c.status.label("analysis_status"),
    )
    .join(_analyses, _analyses.c.id == _predictions.c.analysis_id)
    .where(_predictions.c.id.in_(bindparam("of", expanding=True)))
    .with_for_update(of=_predictions)
)
_ACCEPT = (
    update(_predictions)
    .where(_predictions.c.id == bindparam("of"))
    .values(
        status=PredictionStatus.RUNNING,
        provider_id=bindparam("provider_id"),
        expires_at=bindparam("expires_at"),
        error=None,
    )
)
_RUN = (
    update(_analyses)
    .where(_analyses.c.id == bindparam("of"))
    .values(
        # A surplus prediction may have answered before.
        status=case(
            (_analyses.c.status == AnalysisStatus.COMPLETED, _analyses.c.status),
            else_=literal(AnalysisStatus.PENDING, _analyses.c.status.type),
        ),
        attempts=_analyses.c.attempts + 1,
    )
)
_COMPLETE = (
    update(_predictions)
    .where(_predictions.c.id == bindparam("of"))
    .values(
        status=PredictionStatus.COMPLETED,
        completed_at=bindparam("completed_at"),
        charged_micros=bindparam("charged_micros"),
        settled_at=bindparam("settled_at"),
    )
)
_ANSWER = (
    update(_analyses)
    .where(_analyses.c.id == bindparam("of"))
    .values(
        status=AnalysisStatus.COMPLETED,
        text=bindparam("text"),
        raw=bindparam("raw"),
        coverage=bindparam("coverage"),
        error=None,
        completed_at=bindparam("completed_at"),
    )
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
    before = _lock(session, [prediction_id])[prediction_id].status
    if only_from is not None and before not in only_from:
        return None
    if before is PredictionStatus.HELD and after in ENDED:
        raise CatalogReplaced  # it has forgotten that this one was sent
    if not is_to_make(before, after):
        return None
    prediction = session.get_one(Prediction, prediction_id, populate_existing=True)
    prediction.status = after
    analysis = session.get_one(Analysis, prediction.analysis_id, populate_existing=True)
    return prediction, analysis


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
    if _lock(session, [prediction_id])[prediction_id].error == ID_TAKEN:
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


def adopt(
    session: Session, prediction_id: int, provider_id: str, *, run_id: str, now: datetime
) -> bool:
    """A submission was accepted after all: it runs, and `run_id` looks after it.

    It is uncertain, or it was released, or it is held in a catalog that was restored, and nobody
    else is about to send it. False if it is none of these any more, or the id is another
    prediction's.
    """
    before = _lock(session, [prediction_id])[prediction_id]
    if before.status not in ADOPTABLE:
        return False
    if before.status is PredictionStatus.HELD and before.owner_run_id != run_id:
        return False
    if session.scalar(select(Prediction.id).where(Prediction.provider_id == provider_id)):
        return False
    prediction = session.get_one(Prediction, prediction_id, populate_existing=True)
    prediction.owner_run_id = run_id
    prediction.submitted_at = prediction.submitted_at or now
    if prediction.status is PredictionStatus.HELD:
        prediction.status = PredictionStatus.SUBMITTING  # it was, after the backup
        session.flush()
    acceptance = Acceptance(prediction_id=prediction_id, provider_id=provider_id, now=now)
    return accept(session, [acceptance])[0]


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
    if _lock(session, [prediction_id])[prediction_id].status is PredictionStatus.RELEASED:
        hold_again(session, prediction_id, now=now)
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
        settlement.book(session, prediction, analysis, nothing, now=now)
    return True
