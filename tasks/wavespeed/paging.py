"""Pages of the account's history and bill: going through a list that changes while it is read.

The provider promises neither a total, nor pages as large as asked for, nor that pages hold still:
rows may appear twice. So a list is whole only when the provider has said so and everything that it
said adds up, or when a page is empty.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict

from catalog.batches import batched
from catalog.errors import ProviderUnreadable
from catalog.values import ListedPrediction
from tasks.wavespeed.wire import Envelope, Text, page_rows, prediction_id, read_time

#: The most the provider allows.
PAGE_SIZE = 100
#: A prediction has two or three lines on the bill, so 50 fit on one or two pages.
_IDS_PER_SEARCH = 50
#: Lines of one search, and rows of one list: more are no answer to what was asked.
_MOST_BILLED = 2_000
_MOST_LISTED = 1_000_000
#: Rows move by as many places as new ones were made meanwhile, so twins are never far apart.
_REMEMBERED_PAGES = 50
#: So many pages without anything new are no drift: the provider sends the same page for ever.
_MOST_STALE_PAGES = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class PageEnd:
    """What one page says of where the list ends."""

    #: How many rows the provider sent, readable or not.
    rows: int
    #: What the provider says of further pages; None if it says nothing.
    has_more: bool | None
    #: How many rows the provider says there are on all pages; None if it says nothing.
    total: int | None


def read_end(envelope: Envelope, *, rows: int) -> PageEnd:
    """What a page of so many rows says of the end; words of another type say nothing."""
    data = envelope.data if isinstance(envelope.data, dict) else {}
    more, total = data.get("has_more"), data.get("total")
    return PageEnd(
        rows=rows,
        has_more=more if isinstance(more, bool) else None,
        total=total if isinstance(total, int) and not isinstance(total, bool) else None,
    )


class Pages:
    """Asks for page after page until the list is whole, in bounded memory.

    Where the first page is smaller than asked for, the next ones are asked for in its size: a
    provider that cuts its pages may skip what it cut off when it counts by the size asked for.
    """

    def __init__(self, *, most_rows: int, most_pages: int) -> None:
        self._most_rows, self._most_pages = most_rows, most_pages
        self._recent: deque[str] = deque(maxlen=_REMEMBERED_PAGES * PAGE_SIZE)
        self._known: set[str] = set()
        self._stale_pages = 0
        self._page, self._size = 1, PAGE_SIZE
        #: Rows so far that were not seen before.
        self._rows = 0
        #: The least that there must be: what the first page said. Later ones count newer rows too.
        self._expected: int | None = None
        self.is_whole = False

    @property
    def question(self) -> dict[str, Any]:
        """Which page to ask for next."""
        return {"page": self._page, "page_size": self._size}

    def take(self, ids: Sequence[str], end: PageEnd) -> set[str]:
        """Take a page; give those of its ids that no recent page held. They count as seen then.

        Raises:
            ProviderUnreadable: if the list is not what the provider says of it, or has no end.
        """
        new = self._unseen(ids)
        self._rows += len(new) + max(0, end.rows - len(ids))
        if self._page == 1:
            self._expected = end.total
            self._size = end.rows if 0 < end.rows < PAGE_SIZE else PAGE_SIZE
        self._page += 1
        if self._is_end(end):
            self._check(end)
            self.is_whole = True
        elif self._rows >= self._most_rows or self._page > self._most_pages:
            raise ProviderUnreadable(
                f"The provider sends more than {self._page - 1} pages of a list that should have "
                "ended long before, so the list cannot be trusted. Try again later."
            )
        return new

    def _is_end(self, end: PageEnd) -> bool:
        """Whether this page is the last one.

        The provider's word counts if it adds up; a total only where it is not merely the size of a
        full page. Without a word only an empty page is the end.
        """
        reached = end.total is None or self._rows >= end.total
        if end.has_more is not None:
            return not end.has_more and (reached or end.rows == 0)
        if end.total is not None and reached and end.rows < PAGE_SIZE:
            return True
        return end.rows == 0

    def _check(self, end: PageEnd) -> None:
        if self._expected is not None and self._rows < self._expected:
            raise ProviderUnreadable(
                f"The provider says that a list has {self._expected} rows and sends {self._rows}, "
                "so the list is not whole. Try again later."
            )

    def _unseen(self, ids: Iterable[str]) -> set[str]:
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


def pages_of_list() -> Pages:
    """For the account's history."""
    return Pages(most_rows=_MOST_LISTED, most_pages=_MOST_LISTED // PAGE_SIZE)


def pages_of_bill() -> Pages:
    """For one search of the bill."""
    return Pages(most_rows=_MOST_BILLED, most_pages=_MOST_BILLED)


def searches(ids: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The ids without repetition, as many at a time as one search of the bill takes."""
    return batched(dict.fromkeys(ids), _IDS_PER_SEARCH)


class _Row(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    id: Text = None
    status: Text = None
    created_at: Any = None
    #: The provider's clients know both spellings; neither is documented.
    inputs: Any = None
    input: Any = None


def history_query(
    *,
    model: str | None,
    created_after: datetime,
    created_before: datetime,
    include_inputs: bool,
) -> dict[str, Any]:
    """The question for a time span, rounded outwards to seconds; a model of None is any."""
    last = created_before + timedelta(microseconds=999_999)
    query: dict[str, Any] = {
        "created_after": _rfc3339(created_after.replace(microsecond=0)),
        "created_before": _rfc3339(last.replace(microsecond=0)),
    }
    if model is not None:
        query["model"] = model
    if include_inputs:
        query["include_inputs"] = True
    return query


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryPage:
    """One page of the account's history."""

    predictions: tuple[ListedPrediction, ...]
    end: PageEnd

    @property
    def unreadable(self) -> int:
        """How many rows name no prediction: any prediction may be among them."""
        return self.end.rows - len(self.predictions)


def read_history(envelope: Envelope) -> HistoryPage | None:
    """The page, newest first, without rows that have no usable id; None if it is no page."""
    items = page_rows(envelope)
    if items is None:
        return None
    listed = (_listed(item) for item in items if isinstance(item, dict))
    return HistoryPage(
        predictions=tuple(prediction for prediction in listed if prediction is not None),
        end=read_end(envelope, rows=len(items)),
    )


def _listed(item: dict[str, Any]) -> ListedPrediction | None:
    row = _Row.model_validate(item)
    provider_id = prediction_id(row.id)
    if provider_id is None:
        return None
    inputs = row.inputs if isinstance(row.inputs, dict) else row.input
    video = inputs.get("video") if isinstance(inputs, dict) else None
    return ListedPrediction(
        provider_id=provider_id,
        status=(row.status or "").strip().lower(),
        created_at=read_time(row.created_at),
        video_url=video if isinstance(video, str) and video else None,
    )
