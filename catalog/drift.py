"""Drift: where the bill says something else than was quoted.

A lower bill is good news and is only shown. A higher one means that a cap could be passed without
anybody noticing, so beyond a tolerance a person has to look before more is bought.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, select, update
from sqlalchemy.orm import Session

from catalog.models import Prediction


@dataclass(frozen=True, kw_only=True, slots=True)
class Drift:
    """How much more was billed than quoted, in micro-dollars, over how many predictions."""

    micros: int
    predictions: int


def _higher(endpoint: str | None) -> ColumnElement[bool]:
    billed_more = and_(
        Prediction.settled_at.is_not(None),
        Prediction.charged_micros > Prediction.quoted_micros,
    )
    return billed_more if endpoint is None else and_(billed_more, Prediction.endpoint == endpoint)


def unseen(session: Session, endpoint: str) -> Drift:
    """Sum the higher bills that nobody has taken note of."""
    query = select(
        func.coalesce(func.sum(Prediction.charged_micros - Prediction.quoted_micros), 0),
        func.count(),
    ).where(_higher(endpoint), Prediction.drift_seen_at.is_(None))
    micros, count = session.execute(query).one()
    return Drift(micros=int(micros), predictions=count)


def acknowledge(session: Session, endpoint: str, *, now: datetime) -> int:
    """Take note of every higher bill so far; gives how many there were."""
    changed = session.scalars(
        update(Prediction)
        .where(_higher(endpoint), Prediction.drift_seen_at.is_(None))
        .values(drift_seen_at=now)
        .returning(Prediction.id)
        .execution_options(synchronize_session=False)
    )
    return len(changed.all())
