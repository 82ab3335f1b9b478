"""Search: which videos have names, tags or answers that a query asks for. Reads only."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.query import Query, for_fts5, for_tsquery
from catalog.snapshot import Snapshot

#: Around each matching word in what the database cuts out; no text of ours holds them.
_OPEN, _CLOSE = "\x02", "\x03"


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit:
    """One video that was found."""

    content_id: str
    #: Higher is better. Compares within one search only.
    score: float
    #: Names of the places where it was seen, those where it lies now first.
    names: tuple[str, ...]
    #: A piece of the text around the first matches, on one line.
    snippet: str
    #: Where in `snippet` the matching words are: start and end.
    matches: tuple[tuple[int, int], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """The best hits, and how many there are in all."""

    hits: tuple[Hit, ...]
    total: int


_FTS5_COUNT = """
    SELECT count(*) AS count FROM search_index WHERE search_index MATCH :query
"""
# The inner select lets FTS5 rank and cut before anything is joined or a snippet is made.
_FTS5_BEST = """
    SELECT videos.id, videos.content_id, -best.rank AS score, best.snippet
    FROM (
        SELECT rowid, rank, snippet(search_index, 0, :open, :close, '…', 24) AS snippet
        FROM search_index WHERE search_index MATCH :query ORDER BY rank LIMIT :limit
    ) AS best
    JOIN videos ON videos.id = best.rowid
    ORDER BY best.rank, videos.id
"""
_TSQUERY_COUNT = """
    SELECT count(*) AS count FROM search_documents WHERE words @@ to_tsquery('simple', :query)
"""
_TSQUERY_BEST = """
    WITH best AS (
        SELECT video_id, body, ts_rank_cd(words, to_tsquery('simple', :query)) AS score
        FROM search_documents WHERE words @@ to_tsquery('simple', :query)
        ORDER BY score DESC, video_id LIMIT :limit
    )
    SELECT videos.id, videos.content_id, best.score,
        ts_headline(
            'simple', best.body, to_tsquery('simple', :query),
            'MaxFragments=1, MaxWords=24, MinWords=12, FragmentDelimiter="…", StartSel="'
            || :open || '", StopSel="' || :close || '"'
        ) AS snippet
    FROM best JOIN videos ON videos.id = best.video_id
    ORDER BY best.score DESC, videos.id
"""


def search(snapshot: Snapshot, query: Query, *, limit: int) -> Found:
    """Find videos, best first, at most `limit` of them. Three queries, whatever is found."""
    if snapshot.dialect == "sqlite":
        return _search(snapshot, _FTS5_COUNT, _FTS5_BEST, for_fts5(query), limit)
    return _search(snapshot, _TSQUERY_COUNT, _TSQUERY_BEST, for_tsquery(query), limit)


def _search(snapshot: Snapshot, count: str, best: str, query: str, limit: int) -> Found:
    total = snapshot.row(count, query=query)["count"]
    rows = snapshot.rows(best, query=query, limit=limit, open=_OPEN, close=_CLOSE)
    names = _names(snapshot, [row["id"] for row in rows])
    hits = []
    for row in rows:
        snippet, matches = unmark(row["snippet"])
        hits.append(
            Hit(
                content_id=row["content_id"],
                score=round(float(row["score"]), 6),
                names=tuple(names.get(row["id"], ())),
                snippet=snippet,
                matches=matches,
            )
        )
    return Found(hits=tuple(hits), total=total)


def _names(snapshot: Snapshot, video_ids: list[int]) -> dict[int, list[str]]:
    found: dict[int, dict[str, None]] = {}
    rows = snapshot.rows(
        """
        SELECT video_id, name FROM locations WHERE video_id IN (:video_ids)
        ORDER BY missing_since IS NOT NULL, name
        """,
        video_ids=video_ids,
    )
    for row in rows:
        found.setdefault(row["video_id"], {})[row["name"]] = None
    return {video_id: list(names) for video_id, names in found.items()}


def unmark(marked: str) -> tuple[str, tuple[tuple[int, int], ...]]:
    r"""Take the marks out of a snippet and say where they were.

    >>> unmark("the \x02old\x03  harbour")
    ('the old harbour', ((4, 7),))
    """
    plain = ""
    matches: list[tuple[int, int]] = []
    for position, piece in enumerate(" ".join(marked.split()).split(_OPEN)):
        inside, closed, after = piece.partition(_CLOSE)
        if position and closed:
            matches.append((len(plain), len(plain) + len(inside)))
        plain += inside + after
    return plain, tuple(matches)
