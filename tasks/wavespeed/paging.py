"""Going through a list that changes while it is read.

The provider promises neither a total nor that pages hold still: rows may appear twice, and the end
is a page with fewer rows than asked for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from catalog.errors import ProviderUnreadable

#: The most the provider allows.
PAGE_SIZE = 100
#: Rows move by as many places as new ones were made meanwhile, so twins are never far apart.
_REMEMBERED_PAGES = 50
#: So many pages without anything new are no drift: the provider sends the same page for ever.
_MOST_STALE_PAGES = 10


class Pages:
    """Remembers what recent pages held, in bounded memory, and tells when there is no end."""

    def __init__(self) -> None:
        self._recent: deque[str] = deque(maxlen=_REMEMBERED_PAGES * PAGE_SIZE)
        self._known: set[str] = set()
        self._stale_pages = 0

    def unseen(self, ids: Iterable[str]) -> set[str]:
        """Those ids of one page that no recent page held; they count as seen from now on.

        Raises `ProviderUnreadable` when page after page brings nothing new.
        """
        new = {identity for identity in ids if identity not in self._known}
        for identity in new:
            if len(self._recent) == self._recent.maxlen:
                self._known.discard(self._recent[0])
            self._recent.append(identity)
            self._known.add(identity)
        self._stale_pages = 0 if new else self._stale_pages + 1
        if self._stale_pages > _MOST_STALE_PAGES:
            raise ProviderUnreadable(
                "The provider repeats the same page of a list without end, so the list cannot be "
                "trusted to be whole. Try again later."
            )
        return new


def batches(ids: Sequence[str], size: int) -> Iterator[list[str]]:
    """The ids without repetition, `size` at a time."""
    unique = iter(dict.fromkeys(ids))
    while batch := list(islice(unique, size)):
        yield batch
