"""Adoption: predictions at the provider with a token like ours, which no row here is for.

Another catalog bought them, or this one before it was restored. They are kept until the analysis
that they are of is wanted here, or the provider forgets them. Called inside a transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from catalog import budgets, ledger, predictions
from catalog.batches import batched
from catalog.budget_limits import Scopes
from catalog.models import Analysis, Prediction, UnclaimedPrediction
from catalog.predictions import KEPT_FOR
from catalog.values import AnalysisStatus, LedgerKind, PredictionStatus

_ROWS_AT_ONCE = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Unclaimed:
    """One that was found in the provider's list."""

    provider_id: str
    token: str
    #: `catalog.matching.identity_digest` of its analysis.
    digest: str
    created_at: datetime


def remember(session: Session, endpoint: str, found: Sequence[Unclaimed]) -> None:
    """Keep these; what is kept already stays as it is."""
    build = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    for some in batched(found, _ROWS_AT_ONCE):
        session.execute(
            build(UnclaimedPrediction)
            .values(
                [
                    {
                        "endpoint": endpoint,
                        "provider_id": one.provider_id,
                        "token": one.token,
                        "digest": one.digest,
                        "created_at": one.created_at,
                    }
                    for one in some
                ]
            )
            .on_conflict_do_nothing()
        )


def kept(session: Session, endpoint: str, *, now: datetime) -> list[Unclaimed]:
    """Give those at an endpoint that the provider still knows, oldest first."""
    rows = session.scalars(
        select(UnclaimedPrediction)
        .where(
            UnclaimedPrediction.endpoint == endpoint,
            UnclaimedPrediction.created_at > now - KEPT_FOR,
        )
        .order_by(UnclaimedPrediction.created_at, UnclaimedPrediction.provider_id)
    )
    return [
        Unclaimed(
            provider_id=row.provider_id,
            token=row.token,
            digest=row.digest,
            created_at=row.created_at,
        )
        for row in rows
    ]


def forget(session: Session, endpoint: str, provider_id: str) -> None:
    """Keep one no longer: the catalog has it now."""
    session.execute(
        delete(UnclaimedPrediction).where(
            UnclaimedPrediction.endpoint == endpoint,
            UnclaimedPrediction.provider_id == provider_id,
        )
    )


def forget_old(session: Session, *, now: datetime) -> None:
    """Keep nothing that the provider has forgotten."""
    session.execute(
        delete(UnclaimedPrediction).where(UnclaimedPrediction.created_at <= now - KEPT_FOR)
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """A prediction at the provider that this catalog did not send, or does not remember."""

    analysis_id: int
    provider_id: str
    endpoint: str
    #: When the provider says that it began.
    created_at: datetime
    quote_micros: int
    price_list: str
    token: str
    #: Used where the catalog has the token already.
    spare_token: str
    #: Where its money counts: the day and the month in which it began.
    scopes: Scopes
    #: The run that its money counts under, and the one that looks after it.
    run_id: str
    owner_run_id: str


def claim(session: Session, found: Claim, *, now: datetime) -> int | None:
    """Adopt what another catalog bought, with its money, whatever the budgets say.

    It is surplus where the analysis has a live prediction already. None if the catalog has it.
    """
    known = select(Prediction.id).where(Prediction.provider_id == found.provider_id)
    if session.execute(known).first() is not None:
        return None
    analysis = session.get_one(
        Analysis, found.analysis_id, with_for_update=True, populate_existing=True
    )
    budgets.lock(session, found.scopes)
    is_taken = session.scalar(select(Prediction.id).where(Prediction.token == found.token))
    prediction = Prediction(
        token=found.token if is_taken is None else found.spare_token,
        analysis_id=found.analysis_id,
        run_id=found.run_id,
        owner_run_id=found.owner_run_id,
        endpoint=found.endpoint,
        provider_id=found.provider_id,
        status=PredictionStatus.RUNNING,
        surplus=predictions.has_live(session, found.analysis_id),
        quoted_micros=found.quote_micros,
        price_list=found.price_list,
        budget_day=found.scopes.day,
        budget_month=found.scopes.month,
        held_at=now,
        submitted_at=found.created_at,
        expires_at=found.created_at + KEPT_FOR,
    )
    session.add(prediction)
    session.flush()
    ledger.book(session, prediction, LedgerKind.HOLD, found.quote_micros, now=now)
    if not prediction.surplus:
        analysis.status = AnalysisStatus.PENDING
        analysis.error = None
        analysis.attempts += 1
    return prediction.id
