"""Names whose letters are the same, however they are written."""

from __future__ import annotations

import unicodedata
from urllib.parse import unquote

from sqlalchemy import select
from sqlalchemy.orm import Session

from catalog.models import Location

#: Rows that are read at once.
_PAGE = 2_000


def named_alike(
    session: Session, wanted: str, uri: str | None, *, limit: int
) -> list[tuple[int, int | None, str]]:
    """Give those whose place or name is written with the same letters, or has them in it.

    An accent is a letter of its own or a part of one, and no database knows every capital letter,
    so all names are looked through. Gives location id, video id and name, one place a video.
    """
    place, part = None if uri is None else _letters(unquote(uri)), _letters(wanted)
    rows = session.execute(
        select(Location.id, Location.video_id, Location.name, Location.uri)
        .order_by(Location.name, Location.id)
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
