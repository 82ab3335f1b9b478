"""What search reads: one document a video, of its names, tags and answers.

The database keeps the full-text index itself; writing the document is enough.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from typing import Any, cast
from urllib.parse import unquote

from sqlalchemy import Executable, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from catalog import tables

#: A name such as `2009-07_harbour tour.mp4` is searched by its parts.
_SEPARATORS = re.compile(r"[_\-./\\]+")

#: PostgreSQL refuses a document whose words take over a megabyte; what lies beyond is not searched.
_MOST_CHARACTERS = 200_000


def body_of(names: Iterable[str], tags: Iterable[str], answers: Iterable[str]) -> str:
    """Compose a document: names whole and in parts, then tags, then answers."""
    lines: list[str] = []
    for name in dict.fromkeys(names):
        parts = _SEPARATORS.sub(" ", name)
        lines.append(name if parts == name else f"{name}\n{parts}")
    lines.extend(tags)
    lines.extend(answers)
    return "\n".join(line for line in lines if line)[:_MOST_CHARACTERS]


def refresh(session: Session, video_ids: Collection[int]) -> None:
    """Write the videos' documents anew."""
    session.flush()
    connection, of = session.connection(), {"of": list(video_ids)}
    names: dict[int, list[str]] = {}
    for video_id, uri in connection.execute(_URIS, of):
        names.setdefault(video_id, []).append(unquote(uri, errors="replace").rsplit("/", 1)[-1])
    texts: dict[int, list[str]] = {}
    for video_id, text in connection.execute(_TEXTS, of):
        texts.setdefault(video_id, []).append(text)
    documents = [
        {
            "video_id": video_id,
            "body": body_of(names.get(video_id, ()), tags.values(), texts.get(video_id, ())),
        }
        for video_id, tags in connection.execute(_TAGS, of)
    ]
    if documents:
        connection.execute(_UPSERTS[connection.dialect.name], documents)


def _upsert(build: Callable[..., Any]) -> Executable:
    document = build(tables.search_documents)
    return cast(
        "Executable",
        document.on_conflict_do_update(
            index_elements=["video_id"], set_={"body": document.excluded.body}
        ),
    )


# Put together once: they are asked for every few answers.
_UPSERTS = {"sqlite": _upsert(sqlite.insert), "postgresql": _upsert(postgresql.insert)}
_TAGS = select(tables.videos.c.id, tables.videos.c.tags).where(
    tables.videos.c.id.in_(bindparam("of", expanding=True))
)
_URIS = (
    select(tables.locations.c.video_id, tables.locations.c.uri)
    .where(tables.locations.c.video_id.in_(bindparam("of", expanding=True)))
    .order_by(tables.locations.c.id)
)
_TEXTS = (
    select(tables.analyses.c.video_id, tables.analyses.c.text)
    .where(
        tables.analyses.c.video_id.in_(bindparam("of", expanding=True)),
        tables.analyses.c.text.is_not(None),
    )
    .order_by(tables.analyses.c.id)
)
