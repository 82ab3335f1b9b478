"""The account's limits, shared by every worker through the catalog.

How many predictions may be started in a minute and be in flight is a property of the account, so
the count is taken where all workers see it, in the transaction that writes the intents; writers
work one after the other, so none counts while another starts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, delete, func, insert, select, update
from sqlalchemy.orm import Session

from catalog.lifecycle import IN_FLIGHT
from catalog.models import AccountStart, Prediction
from catalog.tables import UNFINISHED

_A_MINUTE_MS = 60_000


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
        _count(session, endpoint, granted, now)
    return granted


def _in_flight(session: Session, endpoint: str) -> int:
    """Count in the index of what is unfinished; SQLite sees only by its own words that it may."""
    query = select(func.count()).where(
        UNFINISHED, Prediction.status.in_(IN_FLIGHT), Prediction.endpoint == endpoint
    )
    return session.execute(query).scalar_one()


def _starts(session: Session, endpoint: str, now: datetime) -> int:
    """Count what was started within the last minute, also by somebody whose clock is ahead.

    Not since a full minute began: a provider that counts any sixty seconds would see twice as many
    around it.
    """
    at_ms = _milliseconds(now)
    starts = session.scalar(
        select(func.sum(AccountStart.starts)).where(
            AccountStart.endpoint == endpoint,
            AccountStart.at_ms > at_ms - _A_MINUTE_MS,
            AccountStart.at_ms < at_ms + _A_MINUTE_MS,
        )
    )
    return starts or 0


def _count(session: Session, endpoint: str, granted: int, now: datetime) -> None:
    """Add what is started now, and forget what no longer counts."""
    at_ms = _milliseconds(now)
    here = AccountStart.endpoint == endpoint
    quietly = {"synchronize_session": False}
    added = session.execute(
        update(AccountStart)
        .where(here, AccountStart.at_ms == at_ms)
        .values(starts=AccountStart.starts + granted)
        .execution_options(**quietly)
    )
    if not cast("CursorResult[Any]", added).rowcount:
        beginning = {"endpoint": endpoint, "at_ms": at_ms, "starts": granted}
        session.execute(insert(AccountStart).values(beginning))
    session.execute(
        delete(AccountStart)
        .where(here, AccountStart.at_ms <= at_ms - _A_MINUTE_MS)
        .execution_options(**quietly)
    )


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
