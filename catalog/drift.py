"""Drift: where the bill says something else than was quoted, or what cannot be counted.

A lower bill is good news and is only shown. A higher one means that a cap could be passed without
anybody noticing, so beyond a tolerance a person has to look before more is bought. A line that
cannot be counted may be any amount, so one is enough.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session

from catalog.models import Prediction, UnclearBillLine
from catalog.settling import UnclearLine


@dataclass(frozen=True, kw_only=True, slots=True)
class Drift:
    """How much more was billed than quoted, in micro-dollars, over how many predictions."""

    micros: int
    predictions: int
    #: How many lines cannot be counted, and what is wrong with one of them.
    lines: int = 0
    reason: str | None = None


def _higher(endpoint: str | None) -> ColumnElement[bool]:
    billed_more = and_(
        Prediction.settled_at.is_not(None),
        Prediction.charged_micros > Prediction.quoted_micros,
    )
    return billed_more if endpoint is None else and_(billed_more, Prediction.endpoint == endpoint)


def unseen(session: Session, endpoint: str) -> Drift:
    """Sum the higher bills, and count the lines, that nobody has taken note of."""
    query = select(
        func.coalesce(func.sum(Prediction.charged_micros - Prediction.quoted_micros), 0),
        func.count(),
    ).where(_higher(endpoint), Prediction.drift_seen_at.is_(None))
    micros, count = session.execute(query).one()
    lines, reason = session.execute(
        select(func.count(), func.min(UnclearBillLine.reason)).where(_unseen_lines(endpoint))
    ).one()
    return Drift(micros=int(micros), predictions=count, lines=lines, reason=reason)


def _unseen_lines(endpoint: str) -> ColumnElement[bool]:
    return and_(UnclearBillLine.endpoint == endpoint, UnclearBillLine.seen_at.is_(None))


def acknowledge(session: Session, endpoint: str, *, now: datetime) -> Drift:
    """Take note of every higher bill, and of every line, so far; gives what there was."""
    found = unseen(session, endpoint)
    session.execute(
        update(Prediction)
        .where(_higher(endpoint), Prediction.drift_seen_at.is_(None))
        .values(drift_seen_at=now)
        .execution_options(synchronize_session=False)
    )
    session.execute(
        update(UnclearBillLine)
        .where(_unseen_lines(endpoint))
        .values(seen_at=now)
        .execution_options(synchronize_session=False)
    )
    return found


def note_unclear(
    session: Session,
    endpoint: str,
    lines: Sequence[UnclearLine],
    *,
    asked: Collection[str],
    now: datetime,
) -> None:
    """Keep what cannot be counted of the bill for the predictions that were asked about.

    What can be counted now stops nobody any more.
    """
    mine = and_(UnclearBillLine.endpoint == endpoint, UnclearBillLine.provider_id.in_(asked))
    now_unclear = {(one.line, one.provider_id or ""): one.reason for one in lines}
    known: set[tuple[str, str]] = set()
    which = or_(mine, UnclearBillLine.line.in_([one.line for one in lines]))
    for row in session.scalars(select(UnclearBillLine).where(which)):
        if row.endpoint != endpoint:
            continue
        identity = (row.line, row.provider_id)
        known.add(identity)
        if row.seen_at is None and row.provider_id in asked and identity not in now_unclear:
            session.delete(row)
    session.add_all(
        UnclearBillLine(
            endpoint=endpoint,
            line=line,
            provider_id=provider_id,
            reason=reason,
            found_at=now,
        )
        for (line, provider_id), reason in now_unclear.items()
        if (line, provider_id) not in known
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownLines:
    """What is kept of lines that cannot be counted."""

    #: Ids of those that a person took note of.
    noted: frozenset[str] = frozenset()
    #: Which predictions have others.
    unseen_of: frozenset[str] = frozenset()


def known_lines(session: Session, endpoint: str) -> KnownLines:
    """Give what is kept at an endpoint."""
    rows = session.execute(
        select(UnclearBillLine.line, UnclearBillLine.provider_id, UnclearBillLine.seen_at).where(
            UnclearBillLine.endpoint == endpoint
        )
    ).all()
    return KnownLines(
        noted=frozenset(row.line for row in rows if row.seen_at is not None),
        unseen_of=frozenset(row.provider_id for row in rows if row.seen_at is None),
    )
