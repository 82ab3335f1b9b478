"""Analyses: what should be known of each video, and what is left to do.

What is left is a state of a row, so asking for it costs what is left and not what there is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    UnaryExpression,
    and_,
    exists,
    insert,
    literal,
    select,
    text,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from catalog.locations import SourceRange, within_any
from catalog.matching import Identity
from catalog.models import Analysis, Location, Video
from catalog.values import AnalysisStatus, AnalysisType, Order, ProbeStatus

#: The only window so far: the video as it is. The provider looks at 120 seconds of it at most.
WHOLE = "whole"

#: How many videos are looked up along an index before the others are sorted.
AT_FIRST = 2000
_ASCENDING = frozenset({Order.OLDEST, Order.SHORTEST})


@dataclass(frozen=True, kw_only=True, slots=True)
class AnalysisSpec:
    """What is asked of every video."""

    model: str
    tasks: tuple[AnalysisType, ...]
    #: Empty for none.
    instructions: str = ""
    window: str = WHOLE

    @property
    def instructions_hash(self) -> str:
        """Tells instructions apart in an index."""
        return hashlib.sha256(self.instructions.encode()).hexdigest()


def want(session: Session, scopes: Sequence[SourceRange], spec: AnalysisSpec) -> None:
    """Make sure that every usable video in the sources has a row for each task asked for."""
    here = exists().where(
        Location.video_id == Video.id, Location.missing_since.is_(None), within_any(scopes)
    )
    for task in spec.tasks:
        already = exists().where(Analysis.video_id == Video.id, _asks(spec, (task,)))
        missing = select(
            Video.id,
            literal(spec.model),
            literal(task, Analysis.task.type),
            literal(spec.instructions),
            literal(spec.instructions_hash),
            literal(spec.window),
            literal(AnalysisStatus.WANTED, Analysis.status.type),
            literal(0),
        ).where(Video.probe_status == ProbeStatus.OK, here, ~already)
        session.execute(
            insert(Analysis).from_select(
                [
                    "video_id",
                    "model",
                    "task",
                    "instructions",
                    "instructions_hash",
                    "window",
                    "status",
                    "attempts",
                ],
                missing,
            )
        )


def _asks(spec: AnalysisSpec, tasks: Sequence[AnalysisType]) -> ColumnElement[bool]:
    return and_(
        Analysis.model == spec.model,
        Analysis.task.in_(tasks),
        Analysis.instructions_hash == spec.instructions_hash,
        Analysis.window == spec.window,
    )


_IDENTITY = (
    Analysis.id,
    Video.content_id,
    Analysis.model,
    Analysis.task,
    Analysis.instructions_hash,
    Analysis.window,
)


def identities(session: Session, analysis_ids: Sequence[int]) -> dict[int, Identity]:
    """Give what makes each of these analyses the one that it is."""
    rows = session.execute(
        select(*_IDENTITY)
        .join(Video, Video.id == Analysis.video_id)
        .where(Analysis.id.in_(analysis_ids))
    )
    return {row.id: _identity(row) for row in rows}


@dataclass(frozen=True, kw_only=True, slots=True)
class Identified:
    """An analysis with its identity, and what its price depends on."""

    analysis_id: int
    identity: Identity
    duration_seconds: Decimal | None


def stream_identified(session: Session, model: str) -> Iterator[Identified]:
    """Stream every analysis by a model."""
    rows = session.execute(
        select(*_IDENTITY, Video.duration_seconds)
        .join(Video, Video.id == Analysis.video_id)
        .where(Analysis.model == model)
        .execution_options(yield_per=2000)
    )
    for row in rows:
        yield Identified(
            analysis_id=row.id,
            identity=_identity(row),
            duration_seconds=row.duration_seconds,
        )


def _identity(row: Row[Any]) -> Identity:
    return Identity(
        content_id=row.content_id,
        model=row.model,
        task=row.task.value,
        instructions_hash=row.instructions_hash,
        window=row.window,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class PendingAnalysis:
    """An analysis as a plan looks at it, with one place where its video lies."""

    analysis_id: int
    video_id: int
    task: AnalysisType
    status: AnalysisStatus
    duration_seconds: Decimal | None
    uri: str
    name: str


def stream(
    session: Session,
    scopes: Sequence[SourceRange],
    spec: AnalysisSpec,
    order: Order,
    *,
    at_first: int = AT_FIRST,
) -> Iterator[PendingAnalysis]:
    """Stream every analysis of the spec in the sources, in order, once for each of its places.

    A video that lies in several places comes several times, side by side only where the order
    says so; the caller takes the first place that it likes.

    What `at_first` videos have is looked up along an index, so that whoever wants a page does not
    wait until everything is sorted; for whoever reads on, sorting is quicker than a million such
    look-ups.
    """
    everything = (
        select(
            Analysis.id,
            Analysis.video_id,
            Analysis.task,
            Analysis.status,
            Video.duration_seconds,
            Location.uri,
            Location.name,
        )
        .join(Video, Video.id == Analysis.video_id)
        .join(Location, Location.video_id == Video.id)
        .where(_asks(spec, spec.tasks), within_any(scopes), Location.missing_since.is_(None))
        .order_by(*_sorting(order), Location.uri, Analysis.id)
        .execution_options(yield_per=1000)
    )
    before: set[int] = set()
    first = _first(session, order, at_first)
    if first is not None:
        for row in session.execute(everything.where(Video.id.in_(first))):
            before.add(row.video_id)
            yield _left(row)
        if session.get_bind().dialect.name == "postgresql":  # which plans a cursor to be left early
            session.execute(text("SET LOCAL cursor_tuple_fraction = 1"))
    for row in session.execute(everything):
        if row.video_id not in before:
            yield _left(row)


def _first(session: Session, order: Order, at_first: int) -> Select[tuple[int]] | None:
    """Select the videos that come before all others, whichever sources they lie in.

    None where the order is the places' own, which has an index, or where the archive is small
    enough to be sorted.
    """
    column = _column(order)
    if column is None:
        return None
    along = select(Video.id).where(column.is_not(None)).order_by(_along(column, order))
    values = session.scalars(along.with_only_columns(column).limit(at_first)).all()
    if len(values) < at_first:
        return None
    # Among those that are equal to the last are some beyond it, and their places come in between.
    return along.limit(values.index(values[-1]))


def _left(row: Row[Any]) -> PendingAnalysis:
    return PendingAnalysis(
        analysis_id=row.id,
        video_id=row.video_id,
        task=row.task,
        status=row.status,
        duration_seconds=row.duration_seconds,
        uri=row.uri,
        name=row.name,
    )


def _sorting(order: Order) -> tuple[UnaryExpression[Any], ...]:
    column = _column(order)
    if column is None:
        return ()
    along = _along(column, order)
    return (along.nulls_last() if column is Video.duration_seconds else along,)


def _along(column: InstrumentedAttribute[Any], order: Order) -> UnaryExpression[Any]:
    return column.asc() if order in _ASCENDING else column.desc()


def _column(order: Order) -> InstrumentedAttribute[Any] | None:
    match order:
        case Order.NEWEST | Order.OLDEST:
            return Video.taken_at
        case Order.SHORTEST | Order.LONGEST:
            return Video.duration_seconds
        case Order.PATH:
            return None
