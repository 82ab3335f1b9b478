"""Dividing a long listing into ranges of keys that can be listed side by side.

Keys come sorted by their UTF-8, which is how Python compares text as well. A range ends with a key
that belongs to it; None is the end of all. Where to cut is asked from the folders that lie between:
pure decisions here, the asking is the lister's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyRange:
    """All keys behind `after`, up to and with `until`."""

    after: str
    until: str | None

    def holds(self, key: str) -> bool:
        """Whether a key is of this range; a server may not know where to begin."""
        return key > self.after and (self.until is None or key <= self.until)

    def is_passed_by(self, key: str) -> bool:
        """Whether whatever follows `key` is behind this range."""
        return self.until is not None and key >= self.until


def levels(prefix: str, last: str, until: str | None) -> list[str]:
    """Give the folders in which the next cut may lie, the outermost first.

    >>> levels("a/", "a/2009/05/x.mp4", None)
    ['a/', 'a/2009/', 'a/2009/05/']
    >>> levels("a/", "a/2009/05/x.mp4", "a/2009/07/")
    ['a/2009/', 'a/2009/05/']
    """
    inner = (last[: place + 1] for place, sign in enumerate(last) if sign == "/")
    found = [prefix, *(folder for folder in inner if len(folder) > len(prefix))]
    while until is not None and len(found) > 1 and until.startswith(found[1]) and until != found[1]:
        found.pop(0)  # all of the range lies in the next one
    return found


def cut(rest: KeyRange, folders: Sequence[str], pieces: int) -> list[KeyRange]:
    """Cut a range at some of the folders that lie in it, into so many pieces at most.

    >>> [one.until for one in cut(KeyRange(after="a", until=None), ["b/", "c/", "d/"], 2)]
    ['c/', None]
    """
    within = [one for one in folders if rest.holds(one) and one != rest.until]
    if pieces < 2 or not within:
        return [rest]
    step = max(1, -(-(len(within) + 1) // pieces))
    marks = within[step - 1 :: step]
    starts = [rest.after, *marks]
    ends = [*marks, rest.until]
    return [
        KeyRange(after=start, until=end)
        for start, end in zip(starts, ends, strict=True)
        if start != end
    ]


def worth(folders: int, seen: Sequence[str], folder: str) -> int:
    """Estimate how many pages so many folders hold, by how many of them one page held.

    >>> worth(100, ["a/1/x", "a/1/y", "a/2/x"], "a/")
    50
    """
    met = {key[: key.find("/", len(folder)) + 1] for key in seen if key.startswith(folder)}
    return folders // max(1, len(met))
