"""Export: the catalog as lines to take away, JSON for machines and CSV for tables.

Streams by pages of videos, so memory does not grow with the archive. Only videos are exported:
a file whose bytes could not be read has no content to speak of; `reelcat status` counts those.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TextIO

from sqlalchemy import Connection, select

from catalog import tables
from catalog.measures import MEASURES, as_json
from catalog.money import dollars
from catalog.values import PredictionStatus
from catalog.visible import UNSEEN

#: Videos that are in memory at once.
PAGE = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Spent:
    """What an analysis's attempts say of money."""

    #: The provider's id of the last attempt that it accepted.
    prediction_id: str | None
    #: Of that last attempt.
    quoted_micros: int | None
    #: Of all attempts together, as far as is known; None if of none.
    charged_micros: int | None


_MEASURED = [one.name for one in MEASURES if one.measure.exported]
#: What is exported of a video: its keys, in this order, and their columns. The length comes before
#: the size, and what is wrong comes last, as in every file that was exported before.
OF_VIDEO = [
    ("duration_seconds", "duration_seconds"),
    ("size_bytes", "size"),
    *((name, name) for name in _MEASURED if name not in {"duration_seconds", "probe_error"}),
    ("probe_error", "probe_error"),
]

_NOTHING = Spent(prediction_id=None, quoted_micros=None, charged_micros=None)


def videos(connection: Connection, *, page: int = PAGE) -> Iterator[dict[str, Any]]:
    """Give one JSON-ready object a video, in the order in which they were added.

    Four queries a page. `uris` says where the video lies now, so it is empty for one that vanished.
    Money is a decimal string in dollars; unknown is null.
    """
    after = 0
    while rows := _page(connection, after, page):
        ids = [row.id for row in rows]
        uris = _uris(connection, ids)
        analyses = _analyses(connection, ids)
        spent = _spent(connection, ids)
        for row in rows:
            yield _video(row, uris[row.id], analyses.get(row.id, ()), spent)
        after = ids[-1]


def _page(connection: Connection, after: int, page: int) -> list[Any]:
    query = select(
        tables.videos.c.id,
        tables.videos.c.content_id,
        tables.videos.c.size,
        *(tables.videos.c[name] for name in _MEASURED),
    )
    newer = query.where(tables.videos.c.id > after).order_by(tables.videos.c.id).limit(page)
    return list(connection.execute(newer))


def _uris(connection: Connection, video_ids: Sequence[int]) -> dict[int, list[str]]:
    """Give the URIs where each video lies now, sorted."""
    found: dict[int, list[str]] = {video_id: [] for video_id in video_ids}
    locations = tables.locations.c
    rows = connection.execute(
        select(locations.video_id, locations.uri)
        .where(locations.video_id.in_(video_ids), locations.missing_since.is_(None))
        .order_by(locations.uri)
    )
    for video_id, uri in rows:
        found[video_id].append(uri)
    return found


def _analyses(connection: Connection, video_ids: Sequence[int]) -> dict[int, list[Any]]:
    rows = connection.execute(
        select(
            tables.analyses.c.id,
            tables.analyses.c.video_id,
            tables.analyses.c.task,
            tables.analyses.c.instructions,
            tables.analyses.c.model,
            tables.analyses.c.status,
            tables.analyses.c.text,
            tables.analyses.c.completed_at,
            tables.analyses.c.error,
        )
        .where(tables.analyses.c.video_id.in_(video_ids))
        .order_by(tables.analyses.c.video_id, tables.analyses.c.id)
    )
    found: dict[int, list[Any]] = {}
    for row in rows:
        found.setdefault(row.video_id, []).append(row)
    return found


def _spent(connection: Connection, video_ids: Sequence[int]) -> dict[int, Spent]:
    rows = connection.execute(
        select(
            tables.predictions.c.analysis_id,
            tables.predictions.c.provider_id,
            tables.predictions.c.quoted_micros,
            tables.predictions.c.charged_micros,
        )
        .join(tables.analyses, tables.analyses.c.id == tables.predictions.c.analysis_id)
        .where(
            tables.analyses.c.video_id.in_(video_ids),
            tables.predictions.c.status != PredictionStatus.RELEASED,
        )
        .order_by(tables.predictions.c.id)
    )
    found: dict[int, Spent] = {}
    for row in rows:
        before = found.get(row.analysis_id, _NOTHING).charged_micros
        found[row.analysis_id] = Spent(
            prediction_id=row.provider_id,
            quoted_micros=row.quoted_micros,
            charged_micros=before
            if row.charged_micros is None
            else row.charged_micros + (before or 0),
        )
    return found


def _video(
    row: Any, uris: Sequence[str], analyses: Sequence[Any], spent: Mapping[int, Spent]
) -> dict[str, Any]:
    return {
        "content_id": row.content_id,
        "uris": list(uris),
        **{name: as_json(getattr(row, key)) for name, key in OF_VIDEO},
        "analyses": [_analysis(one, spent.get(one.id, _NOTHING)) for one in analyses],
    }


def _analysis(row: Any, spent: Spent) -> dict[str, Any]:
    return {
        "task": row.task.value,
        "instructions": row.instructions,
        "model": row.model,
        "status": row.status.value,
        "text": row.text,
        "quoted_usd": _usd(spent.quoted_micros),
        "charged_usd": _usd(spent.charged_micros),
        "prediction_id": spent.prediction_id,
        "completed_at": _time(row.completed_at),
        "error": row.error,
    }


def _usd(micros: int | None) -> str | None:
    return None if micros is None else str(dollars(micros))


def _time(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()


def write_jsonl(exported: Iterable[Mapping[str, Any]], out: TextIO) -> None:
    """Write one JSON object a line, exactly as it is in the catalog.

    What some readers take for the end of a line, what some terminals take for an order, and what
    cannot be seen is written as JSON's own escapes: whoever reads it gets the same text.
    """
    for video in exported:
        line = json.dumps(video, ensure_ascii=False)
        out.write(UNSEEN.sub(lambda sign: json.dumps(sign[0])[1:-1], line) + "\n")


COLUMNS = (
    "content_id",
    "uris",
    *dict(OF_VIDEO),
    "task",
    "instructions",
    "model",
    "status",
    "text",
    "quoted_usd",
    "charged_usd",
    "prediction_id",
    "completed_at",
    "error",
)


def write_csv(exported: Iterable[Mapping[str, Any]], out: TextIO) -> None:
    """Write a table: one row an analysis, and one row for a video that has none.

    Several URIs stand in one cell, one a line. Titles, names and answers come from strangers, and a
    spreadsheet takes a cell that begins with `= + - @` for a formula. Where cells begin is its own
    choice: in some countries a semicolon separates them, and some readers take quotes for nothing.
    So a text gets an apostrophe wherever such a sign comes first, or first behind a separator, and
    control characters are left out. Numbers of our own stay numbers. JSON Lines keeps everything.
    """
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for video in exported:
        of_video = {name: value for name, value in video.items() if name != "analyses"}
        of_video["uris"] = "\n".join(video["uris"])
        rows = [of_video | analysis for analysis in video["analyses"]] or [of_video]
        for row in rows:
            writer.writerow({name: _cell(value) for name, value in row.items()})


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
#: Where a cell may begin, if only signs that are passed over come before the sign of a formula.
#: The wide ones are those of East Asian keyboards.
_FORMULA = re.compile(
    r"(^|[,;|\t\n\u2028\u2029])"
    r"(?=(?:[\"\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]|[^\S\t\n\u2028\u2029])*"
    r"[=+\-@\uff1d\uff0b\uff0d\uff20])"
)


def _cell(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    shown = _CONTROL.sub("", value)
    defused = _FORMULA.sub(r"\1'", shown)
    # Some readers pass over a tab, and some take one for a sign.
    return f"'{defused}" if defused.startswith("\t") else defused
