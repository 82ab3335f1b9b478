"""Reads what a container says in words: a few tags, chapters, subtitle lines.

Where a video was taken is never read. All of it is somebody's claim, so it is cut short and freed
of control characters before anything quotes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from tasks.media.describing.signals import Chapter, SubtitleLine, Texts

_LONGEST_TAG = 160
_LONGEST_LINE = 120
_MOST_CHAPTERS = 50
MOST_LINES = 200

_TITLE = ("title", "com.apple.quicktime.title", "com.apple.quicktime.displayname")
_COMMENT = ("description", "comment", "synopsis", "com.apple.quicktime.description")
_DATE = ("com.apple.quicktime.creationdate", "date_recorded", "creation_time", "date")
_MAKE = ("com.apple.quicktime.make", "com.android.manufacturer", "make")
_MODEL = ("com.apple.quicktime.model", "com.android.model", "model")

_ASS_OVERRIDE = re.compile(r"\{[^}]*\}|<[^>]*>")
_DAY = re.compile(r"(?:19[0-9]{2}|20[0-9]{2})-[01][0-9]-[0-3][0-9]")


def clean(text: str, *, limit: int) -> str:
    r"""One printable line of at most `limit` characters.

    >>> clean("two\n lines\x07", limit=20)
    'two lines'
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def subtitle_text(raw: bytes) -> str:
    """A subtitle's words without its styling."""
    text = raw.decode("utf-8", errors="replace").replace("\\N", " ").replace("\\n", " ")
    return clean(_ASS_OVERRIDE.sub("", text), limit=_LONGEST_LINE)


def read_texts(
    tags: Mapping[str, str],
    chapters: Iterable[Mapping[str, Any]],
    *,
    subtitle_tracks: int,
    lines: Iterable[SubtitleLine],
) -> Texts:
    """Put together what a container says. `chapters` are as PyAV gives them."""
    lower = {key.lower(): value for key, value in tags.items()}
    make, model = _first(lower, _MAKE), _first(lower, _MODEL)
    if make and model and model.lower().startswith(make.lower()):
        make = None
    day = _DAY.search(_first(lower, _DATE) or "")
    return Texts(
        title=_first(lower, _TITLE),
        comment=_first(lower, _COMMENT),
        recorded_on=day.group() if day else None,
        device=" ".join(part for part in (make, model) if part) or None,
        chapters=tuple(_chapter(chapter) for chapter in chapters)[:_MOST_CHAPTERS],
        subtitle_tracks=subtitle_tracks,
        subtitle_lines=tuple(lines)[:MOST_LINES],
    )


def _chapter(chapter: Mapping[str, Any]) -> Chapter:
    title = chapter["metadata"].get("title", "")
    return Chapter(
        start_seconds=round(float(chapter["start"] * chapter["time_base"]), 2),
        title=clean(title, limit=_LONGEST_TAG),
    )


def _first(tags: Mapping[str, str], names: Iterable[str]) -> str | None:
    for name in names:
        text = clean(tags.get(name, ""), limit=_LONGEST_TAG)
        if text:
            return text
    return None
