"""Outcomes: what becomes of nearly every prediction, acceptance and completion, for many at once.

A few statements write them all, each with its money, so that a thousand in flight cost little. Each
item is one move of one prediction, which is not made twice: the answer at its place is False then.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, bindparam, case, insert, literal, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from catalog import ledger, searchable
from catalog.errors import CatalogReplaced, ProviderIdTaken
from catalog.lifecycle import LIVE, is_to_make
from catalog.models import Analysis, LedgerEntry, Prediction
from catalog.values import AnalysisStatus, Completed, LedgerKind, PredictionStatus

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
            insert(LedgerEntry.__table__),  # type: ignore[arg-type]  # a declared table is a Table
            [entry for item, row in moved for entry in _entries(item, row)],
        )
        searchable.refresh_all(session, {row.video_id for _, row in moved})
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


_predictions: Any = Prediction.__table__
_analyses: Any = Analysis.__table__
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
