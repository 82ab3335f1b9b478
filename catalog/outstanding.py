"""What was paid for and is still out: whose it is, what is known of it, what is to be settled."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select, true, update
from sqlalchemy.orm import Session

from catalog import predictions
from catalog.batches import batched
from catalog.lifecycle import IN_FLIGHT
from catalog.matching import Known, Lost
from catalog.models import Analysis, Prediction, Run, Video
from catalog.tables import UNFINISHED, UNSETTLED
from catalog.values import PredictionStatus

#: A database takes only so many values in one statement.
_IDS_AT_ONCE = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Orphan:
    """An unfinished prediction that no living run looks after."""

    prediction_id: int
    analysis_id: int
    status: PredictionStatus
    endpoint: str
    provider_id: str | None
    submitted_at: datetime | None
    expires_at: datetime | None
    duration_seconds: Decimal | None
    #: The machine of the run that looked after it last.
    host: str


def orphans(session: Session, *, run_id: str, alive: Sequence[str]) -> list[Orphan]:
    """Give what neither another living run nor this one looks after, earliest deadline first."""
    rows = session.execute(
        _orphan_columns()
        .where(
            UNFINISHED,
            Prediction.owner_run_id.not_in([*alive, run_id]),
        )
        .order_by(Prediction.expires_at.asc().nulls_first(), Prediction.id)
    )
    return [_orphan(row) for row in rows]


def one(session: Session, prediction_id: int) -> Orphan:
    """Give what is known of one prediction that is to be collected."""
    return _orphan(session.execute(_orphan_columns().where(Prediction.id == prediction_id)).one())


def _orphan_columns() -> Select[Any]:
    return (
        select(
            Prediction.id,
            Prediction.analysis_id,
            Prediction.status,
            Prediction.endpoint,
            Prediction.provider_id,
            Prediction.submitted_at,
            Prediction.expires_at,
            Video.duration_seconds,
            Run.host,
        )
        .join(Analysis, Analysis.id == Prediction.analysis_id)
        .join(Video, Video.id == Analysis.video_id)
        .join(Run, Run.id == Prediction.owner_run_id)
    )


def _orphan(row: Row[Any]) -> Orphan:
    return Orphan(
        prediction_id=row.id,
        analysis_id=row.analysis_id,
        status=row.status,
        endpoint=row.endpoint,
        provider_id=row.provider_id,
        submitted_at=row.submitted_at,
        expires_at=row.expires_at,
        duration_seconds=row.duration_seconds,
        host=row.host,
    )


def take_over(session: Session, *, run_id: str, alive: Sequence[str]) -> list[Orphan]:
    """Become the run that looks after what neither another living run nor this one does.

    Gives it as it was found, earliest deadline first.
    """
    found = orphans(session, run_id=run_id, alive=alive)
    session.execute(
        update(Prediction)
        .where(UNFINISHED, Prediction.owner_run_id.not_in([*alive, run_id]))
        .values(owner_run_id=run_id)
        .execution_options(synchronize_session=False)
    )
    return found


def alive_runs(session: Session) -> list[str]:
    """Give the ids of the runs that have not ended."""
    return list(session.scalars(select(Run.id).where(Run.finished_at.is_(None))))


def under_way_elsewhere(
    session: Session, *, budget_run_id: str, run_id: str, given_up_before: datetime
) -> int:
    """Count what other living runs have under way on a run's budget.

    What runs since before `given_up_before` is followed by nobody any more: it is left to the next
    run, and two runs that wait for each other's would wait for ever.
    """
    return session.execute(
        select(func.count()).where(
            Prediction.status.in_((*IN_FLIGHT, PredictionStatus.HELD)),
            or_(
                Prediction.status != PredictionStatus.RUNNING,
                Prediction.submitted_at >= given_up_before,
            ),
            Prediction.run_id == budget_run_id,
            Prediction.owner_run_id != run_id,
            Prediction.owner_run_id.in_(select(Run.id).where(Run.finished_at.is_(None))),
        )
    ).scalar_one()


def completed_elsewhere(session: Session, *, budget_run_id: str, run_id: str) -> int:
    """Count what others have completed on a run's budget."""
    return session.execute(
        select(func.count()).where(
            Prediction.run_id == budget_run_id,
            Prediction.owner_run_id != run_id,
            Prediction.status == PredictionStatus.COMPLETED,
        )
    ).scalar_one()


def bought_on(session: Session, budget_run_id: str) -> set[int]:
    """Give the analyses that were bought, or tried to be, on a run's budget."""
    query = select(Prediction.analysis_id).where(Prediction.run_id == budget_run_id)
    return set(session.scalars(query))


_UNCERTAIN = and_(UNFINISHED, Prediction.status == PredictionStatus.UNCERTAIN)
_BEING_SENT = Prediction.status == PredictionStatus.SUBMITTING
_GIVEN_UP = and_(
    Prediction.status == PredictionStatus.RELEASED, Prediction.error == predictions.GIVEN_UP
)


def lost(session: Session, endpoint: str | None) -> list[Lost]:
    """Give the uncertain submissions at an endpoint, None for all, oldest first."""
    here = true() if endpoint is None else Prediction.endpoint == endpoint
    return _unanswered(session, and_(_UNCERTAIN, here), now=None)


def unanswered(session: Session, endpoint: str, *, now: datetime) -> list[Lost]:
    """Give every submission at an endpoint that may have been accepted without our knowing.

    Those that are being sent and those that a person gave up are among them.
    """
    which = and_(or_(_UNCERTAIN, _BEING_SENT, _GIVEN_UP), Prediction.endpoint == endpoint)
    return _unanswered(session, which, now=now)


def _unanswered(
    session: Session, which: ColumnElement[bool], *, now: datetime | None
) -> list[Lost]:
    rows = session.execute(
        select(
            Prediction.id,
            Prediction.token,
            Prediction.held_at,
            Prediction.submitted_at,
            Prediction.uncertain_at,
            Run.parameters["account"].as_string().label("account"),
        )
        .join(Run, Run.id == Prediction.run_id)
        .where(which)
        .order_by(Prediction.id)
    )
    return [
        Lost(
            prediction_id=row.id,
            token=row.token,
            submitted_at=row.submitted_at or row.held_at,
            lost_at=row.uncertain_at or now or row.submitted_at or row.held_at,
            account=row.account,
        )
        for row in rows
    ]


def known(session: Session, provider_ids: Sequence[str]) -> dict[str, Known]:
    """Give by provider id those that the catalog has."""
    found: dict[str, Known] = {}
    for some in batched(provider_ids, _IDS_AT_ONCE):
        rows = session.execute(
            select(Prediction.provider_id, Prediction.token, Prediction.submitted_at).where(
                Prediction.provider_id.in_(some)
            )
        )
        for row in rows:
            found[row.provider_id] = Known(token=row.token, submitted_at=row.submitted_at)
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """A prediction of this catalog, by the token that it was or would be sent with."""

    prediction_id: int
    analysis_id: int
    status: PredictionStatus
    owner_run_id: str


def by_token(session: Session, tokens: Sequence[str]) -> dict[str, Sent]:
    """Give by token the predictions that the catalog has."""
    found: dict[str, Sent] = {}
    for some in batched(tokens, _IDS_AT_ONCE):
        rows = session.execute(
            select(
                Prediction.token,
                Prediction.id,
                Prediction.analysis_id,
                Prediction.status,
                Prediction.owner_run_id,
            ).where(Prediction.token.in_(some))
        )
        for row in rows:
            found[row.token] = Sent(
                prediction_id=row.id,
                analysis_id=row.analysis_id,
                status=row.status,
                owner_run_id=row.owner_run_id,
            )
    return found


def accepted_since(
    session: Session, endpoint: str, model: str, *, since: datetime
) -> dict[str, datetime]:
    """Give by provider id when each was submitted that is known to have been accepted."""
    rows = session.execute(
        select(Prediction.provider_id, Prediction.submitted_at)
        .join(Analysis, Analysis.id == Prediction.analysis_id)
        .where(
            Prediction.endpoint == endpoint,
            Prediction.submitted_at >= since,
            Prediction.provider_id.is_not(None),
            Analysis.model == model,
        )
    )
    return {row.provider_id: row.submitted_at for row in rows}


@dataclass(frozen=True, kw_only=True, slots=True)
class Unsettled:
    """An ended prediction whose cost the bill has not confirmed."""

    prediction_id: int
    provider_id: str
    status: PredictionStatus
    quoted_micros: int
    ended_at: datetime
    #: Since when the bill shows nothing at all; None if it shows something, or was not asked.
    silent_since: datetime | None


def unsettled(session: Session, endpoint: str, *, after_id: int, limit: int) -> list[Unsettled]:
    """Give the next ended predictions at an endpoint, by id, that wait for the bill."""
    rows = session.execute(
        select(
            Prediction.id,
            Prediction.provider_id,
            Prediction.status,
            Prediction.quoted_micros,
            Prediction.completed_at,
            Prediction.bill_silent_since,
        )
        .where(
            UNSETTLED,
            Prediction.endpoint == endpoint,
            Prediction.provider_id.is_not(None),
            Prediction.id > after_id,
        )
        .order_by(Prediction.id)
        .limit(limit)
    )
    return [
        Unsettled(
            prediction_id=row.id,
            provider_id=row.provider_id,
            status=row.status,
            quoted_micros=row.quoted_micros,
            ended_at=row.completed_at,
            silent_since=row.bill_silent_since,
        )
        for row in rows
    ]


def uncertain_names(
    session: Session, *, run_id: str | None = None, analyses: Collection[int] = ()
) -> list[str]:
    """Name the submissions whose outcome is unknown: of all, or of one run and of some analyses."""
    query = (
        select(
            Prediction.id,
            Prediction.run_id,
            Prediction.analysis_id,
            Analysis.task,
            Video.content_id,
        )
        .join(Analysis, Analysis.id == Prediction.analysis_id)
        .join(Video, Video.id == Analysis.video_id)
        .where(_UNCERTAIN)
        .order_by(Prediction.id)
    )
    rows = [
        row
        for row in session.execute(query)
        if run_id is None or row.run_id == run_id or row.analysis_id in analyses
    ]
    return [f"prediction {row.id} ({row.task} of {row.content_id})" for row in rows]
