"""Predictions at the provider that carry a token like ours and that no row here is for.

They are kept until the analysis that they are of is wanted here, or the provider forgets them.
Called inside a transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from catalog.models import UnclaimedPrediction
from catalog.outcomes import KEPT_FOR

_ROWS_AT_ONCE = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Unclaimed:
    """One that was found in the provider's list."""

    provider_id: str
    token: str
    #: `catalog.tokens.identity_digest` of its analysis.
    digest: str
    created_at: datetime


def remember(session: Session, endpoint: str, found: Sequence[Unclaimed]) -> None:
    """Keep these; what is kept already stays as it is."""
    build = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    for start in range(0, len(found), _ROWS_AT_ONCE):
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
                    for one in found[start : start + _ROWS_AT_ONCE]
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
