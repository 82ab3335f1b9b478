"""The account's limits, shared by every worker through the catalog.

How many predictions may be started in a minute and be in flight is a property of the account, so
the count is taken where all workers see it, in the transaction that writes the intents; writers
work one after the other, so none counts while another starts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from catalog.lifecycle import IN_FLIGHT
from catalog.models import UNFINISHED, AccountMinute, Prediction


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What an account may do at an endpoint. None limits nothing."""

    starts_per_minute: int | None
    in_flight: int | None


def take_starts(
    session: Session, endpoint: str, wanted: int, limits: Limits, *, now: datetime
) -> int:
    """Take up to `wanted` permissions to start a prediction; gives how many were granted."""
    granted = wanted
    if limits.in_flight is not None:
        granted = min(granted, limits.in_flight - _in_flight(session, endpoint))
    if limits.starts_per_minute is not None:
        granted = min(granted, limits.starts_per_minute - _starts(session, endpoint, now))
    granted = max(0, granted)
    if granted and limits.starts_per_minute is not None:
        session.execute(
            update(AccountMinute)
            .where(AccountMinute.endpoint == endpoint, AccountMinute.minute == _minute(now))
            .values(starts=AccountMinute.starts + granted)
            .execution_options(synchronize_session=False)
        )
    return granted


def _in_flight(session: Session, endpoint: str) -> int:
    """Count in the index of what is unfinished; SQLite sees only by its own words that it may."""
    query = select(func.count()).where(
        UNFINISHED, Prediction.status.in_(IN_FLIGHT), Prediction.endpoint == endpoint
    )
    return session.execute(query).scalar_one()


def _starts(session: Session, endpoint: str, now: datetime) -> int:
    starts = session.scalar(
        select(AccountMinute.starts).where(
            AccountMinute.endpoint == endpoint, AccountMinute.minute == _minute(now)
        )
    )
    if starts is None:
        beginning = {"endpoint": endpoint, "minute": _minute(now), "starts": 0}
        session.execute(insert(AccountMinute).values(beginning))
    return starts or 0


def _minute(now: datetime) -> int:
    return int(now.timestamp()) // 60
