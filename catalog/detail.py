"""One video, and everything that the catalog knows of it. Reads only.

A video is found by its place, its content id or its name. Names are compared by their letters,
because the same letter can be written in several ways.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from sqlalchemy import ColumnElement, Connection, Row, func, select

from catalog.errors import UsageError
from catalog.measures import probe_of
from catalog.tables import analyses, ledger_entries, locations, predictions, sources, videos
from catalog.values import (
    AnalysisStatus,
    AnalysisType,
    LedgerKind,
    PredictionStatus,
    Probe,
)

#: Rows that are read at once.
_PAGE = 2_000


def named_alike(
    connection: Connection, wanted: str, uri: str | None, *, limit: int
) -> list[tuple[int, int | None, str]]:
    """Give those whose place or name is written with the same letters, or has them in it.

    An accent is a letter of its own or a part of one, and no database knows every capital letter,
    so all names are looked through. Gives location id, video id and name, one place a video.
    """
    place, part = None if uri is None else _letters(unquote(uri)), _letters(wanted)
    rows = connection.execute(
        select(locations.c.id, locations.c.video_id, locations.c.name, locations.c.uri)
        .order_by(locations.c.name, locations.c.id)
        .execution_options(yield_per=_PAGE)
    )
    exact: dict[tuple[str, int], tuple[int, int | None, str]] = {}
    similar: dict[tuple[str, int], tuple[int, int | None, str]] = {}
    for location_id, video_id, name, found in rows:
        key = ("file", location_id) if video_id is None else ("video", video_id)
        if place is not None and _letters(unquote(found)) == place:
            exact.setdefault(key, (location_id, video_id, name))
        elif len(similar) < limit and part in _letters(name):
            similar.setdefault(key, (location_id, video_id, name))
    return list((exact or similar).values())[:limit]


def _letters(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


#: How many candidates are named when a name fits several videos.
NAMED = 8

_CONTENT_ID = re.compile(r"[a-z]\d+-[0-9a-f]*")


class NoSuchVideo(UsageError):
    """Nothing in the catalog goes by that name."""


class SeveralVideos(UsageError):
    """More than one video goes by that name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownLocation:
    """One location of the video."""

    uri: str
    name: str
    size_bytes: int
    storage_class: str | None
    first_seen: datetime
    last_seen: datetime
    missing_since: datetime | None
    #: Why its bytes could not be read; None if they could.
    problem: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One line of the ledger."""

    kind: LedgerKind
    #: Signed.
    amount_micros: int
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One prediction, with its money."""

    provider_id: str | None
    run_id: str
    status: PredictionStatus
    quoted_micros: int
    charged_micros: int | None
    held_at: datetime
    submitted_at: datetime | None
    completed_at: datetime | None
    expires_at: datetime | None
    #: When the bill confirmed the charge.
    settled_at: datetime | None
    error: str | None
    ledger: tuple[Entry, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """One analysis."""

    task: AnalysisType
    model: str
    instructions: str
    window: str
    status: AnalysisStatus
    text: str | None
    coverage: str | None
    error: str | None
    completed_at: datetime | None
    predictions: tuple[Attempt, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """A video, or a file that could not be read and so has no content id."""

    content_id: str | None
    size_bytes: int
    added_at: datetime | None
    #: None for a file that could not be read.
    measured: Probe | None
    places: tuple[ShownLocation, ...]
    analyses: tuple[Answer, ...]


def show(connection: Connection, wanted: str, *, uri: str | None = None) -> Shown:
    """Give the one video that `wanted` names: a content id or its beginning, or part of a name.

    `uri` is what `wanted` would be as a place, if that makes sense; an exact place goes first.

    Raises:
        NoSuchVideo: if nothing fits.
        SeveralVideos: naming some, if several do.
    """
    for condition in _readings(wanted, uri):
        places = _candidates(connection, condition)
        if places:
            return _the_one(connection, wanted, places)
    if _CONTENT_ID.fullmatch(wanted):
        ids = connection.execute(
            select(videos.c.id, videos.c.content_id)
            .where(videos.c.content_id.startswith(wanted, autoescape=True))
            .order_by(videos.c.content_id)
            .limit(NAMED + 1)
        ).all()
        if len(ids) > 1:
            raise _several(wanted, [row.content_id for row in ids])
        if ids:
            return _video(connection, ids[0].id)
    places = named_alike(connection, wanted, uri, limit=NAMED + 1)
    if places:
        return _the_one(connection, wanted, places)
    raise NoSuchVideo(
        f"Nothing in the catalog is called {wanted!r}; give a path, a part of a file's name, or a "
        "content id as `reelcat search` shows it."
    )


def _readings(wanted: str, uri: str | None) -> list[ColumnElement[bool]]:
    """Say what the words may mean as a place, the most exact meaning first."""
    uris = {wanted} if uri is None else {wanted, uri}
    return [
        locations.c.uri.in_(sorted(uris)),
        locations.c.name == wanted,
        func.lower(locations.c.name).contains(wanted.lower(), autoescape=True),
    ]


def _candidates(
    connection: Connection, condition: ColumnElement[bool]
) -> list[tuple[int, int | None, str]]:
    """Give location id, video id and name, one place a video."""
    rows = connection.execute(
        select(func.min(locations.c.id), locations.c.video_id, func.min(locations.c.name))
        .where(condition)
        .group_by(locations.c.video_id, func.coalesce(locations.c.video_id, -locations.c.id))
        .order_by(func.min(locations.c.name))
        .limit(NAMED + 1)
    )
    return [(row[0], row[1], row[2]) for row in rows]


def _the_one(
    connection: Connection, wanted: str, places: Sequence[tuple[int, int | None, str]]
) -> Shown:
    if len(places) > 1:
        raise _several(wanted, [name for _, _, name in places])
    location_id, video_id, _ = places[0]
    return _unread(connection, location_id) if video_id is None else _video(connection, video_id)


def _several(wanted: str, names: Sequence[str]) -> SeveralVideos:
    listed = ", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")
    return SeveralVideos(f"{wanted!r} fits several videos ({listed}); say more of the name.")


def _unread(connection: Connection, location_id: int) -> Shown:
    row = connection.execute(_PLACES.where(locations.c.id == location_id)).one()
    return Shown(
        content_id=None,
        size_bytes=row.size,
        added_at=None,
        measured=None,
        places=(_place(row),),
        analyses=(),
    )


def _video(connection: Connection, video_id: int) -> Shown:
    """Read a video in five queries, however many places and attempts it has."""
    video = connection.execute(select(videos).where(videos.c.id == video_id)).one()
    places = connection.execute(
        _PLACES.where(locations.c.video_id == video_id).order_by(
            locations.c.missing_since.is_not(None), locations.c.uri
        )
    )
    return Shown(
        content_id=video.content_id,
        size_bytes=video.size,
        added_at=video.added_at,
        measured=probe_of(video),
        places=tuple(_place(row) for row in places),
        analyses=tuple(_answers(connection, video_id)),
    )


#: A place with what its source's last scan said.
_PLACES = select(locations, sources.c.last_scan_at, sources.c.last_scan_problem).join(
    sources, sources.c.id == locations.c.source_id
)


def _place(row: Row[Any]) -> ShownLocation:
    """Give a place; one that a whole scan of its source did not call missing was there then."""
    last_seen = row.last_seen
    if row.missing_since is None and row.last_scan_at and row.last_scan_problem is None:
        last_seen = max(last_seen, row.last_scan_at)
    return ShownLocation(
        uri=row.uri,
        name=row.name,
        size_bytes=row.size,
        storage_class=row.storage_class,
        first_seen=row.first_seen,
        last_seen=last_seen,
        missing_since=row.missing_since,
        problem=row.problem,
    )


def _answers(connection: Connection, video_id: int) -> list[Answer]:
    rows = connection.execute(
        select(analyses).where(analyses.c.video_id == video_id).order_by(analyses.c.id)
    ).all()
    attempts = _attempts(connection, video_id)
    return [
        Answer(
            task=row.task,
            model=row.model,
            instructions=row.instructions,
            window=row.window,
            status=row.status,
            text=row.text,
            coverage=row.coverage,
            error=row.error,
            completed_at=row.completed_at,
            predictions=tuple(attempts.get(row.id, ())),
        )
        for row in rows
    ]


def _attempts(connection: Connection, video_id: int) -> dict[int, list[Attempt]]:
    of_video = analyses.c.video_id == video_id
    entries: dict[int, list[Entry]] = {}
    for line in connection.execute(
        select(ledger_entries)
        .join(predictions, predictions.c.id == ledger_entries.c.prediction_id)
        .join(analyses, analyses.c.id == predictions.c.analysis_id)
        .where(of_video)
        .order_by(ledger_entries.c.id)
    ):
        entry = Entry(kind=line.kind, amount_micros=line.amount_micros, at=line.at)
        entries.setdefault(line.prediction_id, []).append(entry)
    found: dict[int, list[Attempt]] = {}
    for row in connection.execute(
        select(predictions)
        .join(analyses, analyses.c.id == predictions.c.analysis_id)
        .where(of_video)
        .order_by(predictions.c.id)
    ):
        attempt = _attempt(row, entries.get(row.id, ()))
        found.setdefault(row.analysis_id, []).append(attempt)
    return found


def _attempt(row: Row[Any], entries: Sequence[Entry]) -> Attempt:
    return Attempt(
        provider_id=row.provider_id,
        run_id=row.run_id,
        status=row.status,
        quoted_micros=row.quoted_micros,
        charged_micros=row.charged_micros,
        held_at=row.held_at,
        submitted_at=row.submitted_at,
        completed_at=row.completed_at,
        expires_at=row.expires_at,
        settled_at=row.settled_at,
        error=row.error,
        ledger=tuple(entries),
    )
