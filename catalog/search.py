"""Search: the language of a query, and the videos that match it. Reads only.

    harbour tour     both words, in any order
    "old harbour"    these words side by side
    -night           without this word (or "phrase")
    boat*            every word that begins so

Anything may be typed: signs that are not part of a word separate words, and what a database takes
for syntax never reaches it.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from sqlalchemy import Connection, select, text

from catalog.errors import UsageError
from catalog.tables import locations

_TOKEN = re.compile(r'(?P<minus>-?)(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))(?P<star>\*?)')


class EmptyQuery(UsageError):
    """Nothing that could be looked for was typed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Term:
    """Words side by side that a video's text must, or must not, hold."""

    #: One or more, of letters, digits and their marks only.
    words: tuple[str, ...]
    excluded: bool = False
    #: Whether the last word may go on.
    prefix: bool = False

    def __str__(self) -> str:
        phrase = " ".join(self.words)
        quoted = f'"{phrase}"' if len(self.words) > 1 else phrase
        return f"{'-' if self.excluded else ''}{quoted}{'*' if self.prefix else ''}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """What is looked for; at least one term is not excluded."""

    terms: tuple[Term, ...]

    def __str__(self) -> str:
        return " ".join(str(term) for term in self.terms)


def parse(text: str) -> Query:
    """Read what a person typed.

    >>> str(parse('Harbour "old  town" boa* -night'))
    'Harbour "old town" boa* -night'
    >>> str(parse('2009-07_tour.mp4'))
    '"2009 07 tour mp4"'

    Raises:
        EmptyQuery: if there is no word to look for.
    """
    terms = [term for match in _TOKEN.finditer(text) if (term := _term(match)) is not None]
    if all(term.excluded for term in terms):
        raise EmptyQuery(
            "There is no word to look for; give at least one, as in `reelcat search harbour -night`"
            "; -word only takes away."
        )
    return Query(terms=tuple(dict.fromkeys(terms)))


def _term(match: re.Match[str]) -> Term | None:
    inside = match["phrase"] if match["phrase"] is not None else match["word"]
    words = tuple(_only_words(inside).split())
    if not words:
        return None
    return Term(
        words=words,
        excluded=bool(match["minus"]),
        prefix=bool(match["star"]) or (match["phrase"] is None and inside.endswith("*")),
    )


def _only_words(text: str) -> str:
    return "".join(sign if _is_part_of_a_word(sign) else " " for sign in text)


def _is_part_of_a_word(sign: str) -> bool:
    return unicodedata.category(sign)[0] in "LNM"


def for_fts5(query: Query) -> str:
    """Write a query for SQLite's FTS5.

    >>> for_fts5(parse('harbour "old town" boa* -night'))
    '("harbour" AND "old town" AND "boa" *) NOT ("night")'
    """
    wanted = " AND ".join(_fts5(term) for term in query.terms if not term.excluded)
    excluded = " OR ".join(_fts5(term) for term in query.terms if term.excluded)
    return f"({wanted}) NOT ({excluded})" if excluded else wanted


def _fts5(term: Term) -> str:
    phrase = f'"{" ".join(term.words)}"'
    return f"{phrase} *" if term.prefix else phrase


def for_tsquery(query: Query) -> str:
    """Write a query for PostgreSQL's to_tsquery.

    >>> for_tsquery(parse('harbour "old town" boa* -night'))
    "'harbour' & ('old' <-> 'town') & 'boa':* & !'night'"
    """
    return " & ".join(_tsquery(term) for term in query.terms)


def _tsquery(term: Term) -> str:
    words = " <-> ".join(f"'{word}'" for word in term.words) + (":*" if term.prefix else "")
    grouped = f"({words})" if len(term.words) > 1 else words
    return f"!{grouped}" if term.excluded else grouped


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


def search(connection: Connection, query: Query, *, limit: int) -> Found:
    """Find videos, best first, at most `limit` of them. Three queries, whatever is found."""
    if connection.dialect.name == "sqlite":
        return _search(connection, _FTS5_COUNT, _FTS5_BEST, for_fts5(query), limit)
    return _search(connection, _TSQUERY_COUNT, _TSQUERY_BEST, for_tsquery(query), limit)


def _search(connection: Connection, count: str, best: str, query: str, limit: int) -> Found:
    total = connection.execute(text(count), {"query": query}).scalar_one()
    values = {"query": query, "limit": limit, "open": _OPEN, "close": _CLOSE}
    rows = connection.execute(text(best), values).all()
    names = _names(connection, [row.id for row in rows])
    hits = []
    for row in rows:
        snippet, matches = unmark(row.snippet)
        hits.append(
            Hit(
                content_id=row.content_id,
                score=round(float(row.score), 6),
                names=tuple(names.get(row.id, ())),
                snippet=snippet,
                matches=matches,
            )
        )
    return Found(hits=tuple(hits), total=total)


def _names(connection: Connection, video_ids: list[int]) -> dict[int, list[str]]:
    found: dict[int, dict[str, None]] = {}
    rows = connection.execute(
        select(locations.c.video_id, locations.c.name)
        .where(locations.c.video_id.in_(video_ids))
        .order_by(locations.c.missing_since.is_not(None), locations.c.name)
    )
    for video_id, name in rows:
        found.setdefault(video_id, {})[name] = None
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
