"""Runs: who is working, and whether it still lives.

A run that died leaves predictions behind; they may be taken over only from a run that is certainly
dead, so that two processes never decide about the same submission.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from catalog.models import Run
from catalog.values import RunStatus

#: A run on another machine is dead when its last sign of life is this old.
HEARTBEAT_LEASE = timedelta(seconds=120)
#: How often a living run gives one.
HEARTBEAT_EVERY = timedelta(seconds=20)


@dataclass(frozen=True, kw_only=True, slots=True)
class Process:
    """A process, told apart from a later one with the same number by when it started."""

    host: str
    pid: int
    #: Seconds since the epoch.
    started_at: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class Liveness:
    """What is known of an unfinished run's life."""

    run_id: str
    process: Process
    heartbeat_at: datetime


def is_dead(seen: Liveness, *, here: str, living: Mapping[int, Decimal], now: datetime) -> bool:
    """Tell whether an unfinished run can never come back.

    On this machine (`here`) the list of `living` processes, start times by number, decides at
    once; elsewhere only silence does.
    """
    if seen.process.host == here:
        started = living.get(seen.process.pid)
        return started is None or abs(started - seen.process.started_at) > 2
    return now - seen.heartbeat_at > HEARTBEAT_LEASE


def start(
    session: Session,
    run_id: str,
    *,
    command: str,
    parameters: Mapping[str, Any],
    process: Process,
    flow_run_id: str | None,
    now: datetime,
) -> None:
    """Write down that a run begins."""
    session.add(
        Run(
            id=run_id,
            command=command,
            parameters=dict(parameters),
            flow_run_id=flow_run_id,
            host=process.host,
            pid=process.pid,
            process_started_at=process.started_at,
            heartbeat_at=now,
            started_at=now,
        )
    )


def beat(session: Session, run_id: str, *, now: datetime) -> None:
    """Give a sign of life; a run that was taken for dead lives on."""
    session.execute(
        update(Run).where(Run.id == run_id).values(heartbeat_at=now, finished_at=None, outcome=None)
    )


def finish(
    session: Session,
    run_id: str,
    *,
    outcome: RunStatus,
    counts: Mapping[str, Any],
    now: datetime,
) -> None:
    """Write down how a run ended."""
    session.execute(
        update(Run)
        .where(Run.id == run_id)
        .values(outcome=outcome, counts=dict(counts), finished_at=now)
    )


def unfinished(session: Session) -> list[Liveness]:
    """Give the runs that have not said that they ended."""
    rows = session.scalars(select(Run).where(Run.finished_at.is_(None)))
    return [
        Liveness(
            run_id=row.id,
            process=Process(host=row.host, pid=row.pid, started_at=row.process_started_at),
            heartbeat_at=row.heartbeat_at,
        )
        for row in rows
    ]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shared:
    """A run that others share, as they see it."""

    parameters: Mapping[str, Any]
    #: It said itself that it ended. One that was found dead did not, and is finished by the others.
    has_ended: bool


def shared(session: Session, run_id: str) -> Shared | None:
    """Give a run to those who share it; None if there is none."""
    row = session.get(Run, run_id)
    if row is None:
        return None
    has_ended = row.finished_at is not None and row.counts is not None
    return Shared(parameters=row.parameters, has_ended=has_ended)


def bury(session: Session, run_ids: Sequence[str], *, now: datetime) -> None:
    """Write down that these runs were found dead."""
    session.execute(
        update(Run)
        .where(Run.id.in_(run_ids), Run.finished_at.is_(None))
        .values(finished_at=now, outcome=RunStatus.INTERRUPTED)
    )


def cut_short(session: Session, *, since: datetime, interrupted_before: datetime) -> list[str]:
    """Give the flow runs, by Prefect's id, whose runs were found dead, or interrupted a while ago.

    Any other has told of its end itself.
    """
    query = select(Run.flow_run_id).where(
        Run.flow_run_id.is_not(None),
        Run.outcome == RunStatus.INTERRUPTED,
        Run.finished_at >= since,
        or_(Run.counts.is_(None), Run.finished_at < interrupted_before),
    )
    return [one for one in session.scalars(query) if one is not None]
