"""The search language: how a line that a person typed becomes a question to a full-text index.

    harbour tour     both words, in any order
    "old harbour"    these words side by side
    -night           without this word (or "phrase")
    boat*            every word that begins so

Pure. Anything may be typed: signs that are not part of a word separate words, and what a database
takes for syntax never reaches it.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from catalog.errors import UsageError

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
