"""The account's history of predictions: newest first, by page, model, status and time.

For the audit it also counts polls, and finds what was paid for twice.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter

from tasks.sandbox.predictions import OPEN, Prediction, Status, shown_status


class Duplicates:
    """Counts acceptances of what was already being worked on, or already answered.

    The same model, video, task and text, accepted again while an earlier one had not failed. An
    answer that expired unread may be bought again.
    """

    def __init__(self) -> None:
        self.ids: list[str] = []
        self._earlier: dict[tuple[str, str, str, str | None], list[Prediction]] = {}

    def note(self, prediction: Prediction, is_expired: Callable[[Prediction, int], bool]) -> None:
        """Compare an accepted prediction with all before it."""
        key = (prediction.model, prediction.identity, prediction.task, prediction.text)
        earlier = self._earlier.setdefault(key, [])
        for other in earlier:
            lost = not other.read and is_expired(other, prediction.created_ns)
            if (other.status in OPEN or other.status is Status.COMPLETED) and not lost:
                self.ids.append(prediction.id)
                break
        earlier.append(prediction)


class PollCounts:
    """Counts of this process; they start at zero after a restart."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.polls = 0
        self.min_gap_ns: int | None = None
        self.key_leaks = 0

    def poll(self, prediction: Prediction | None, now_ns: int) -> None:
        """Note one poll, also of an id that nobody knows."""
        self.polls += 1
        if prediction is None:
            return
        prediction.polls += 1
        if prediction.last_poll_ns is not None:
            gap_ns = now_ns - prediction.last_poll_ns
            self.min_gap_ns = gap_ns if self.min_gap_ns is None else min(self.min_gap_ns, gap_ns)
        prediction.last_poll_ns = now_ns


_when = attrgetter("created_ns")


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryQuery:
    """Which page of which rows; None is all."""

    page: int
    page_size: int
    model: str | None = None
    status: str | None = None
    #: At or after, at or before.
    after_ns: int | None = None
    before_ns: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """One page, newest first, and how many rows all pages hold."""

    rows: list[Prediction]
    total: int
    #: The row just before the page's first; None on the first page.
    before: Prediction | None


class History:
    """Predictions in the order in which they were accepted."""

    def __init__(self) -> None:
        self._all: list[Prediction] = []
        self._by_model: dict[str, list[Prediction]] = {}
        self._late: list[Prediction] = []

    def add(self, prediction: Prediction) -> None:
        """Put the newest prediction on top: newest by the clock, which may have been turned."""
        insort(self._all, prediction, key=_when)
        insort(self._by_model.setdefault(prediction.model, []), prediction, key=_when)

    def hide(self, prediction: Prediction) -> None:
        """List a prediction from its `listed_ns` on only."""
        self._late.append(prediction)

    def page(
        self,
        query: HistoryQuery,
        *,
        oldest_ns: int,
        newest_ns: int,
        now_ns: int,
        only_foreign: bool = False,
    ) -> Page:
        """Give one page of what was accepted between `oldest_ns` and `newest_ns`."""
        rows = self._all if query.model is None else self._by_model.get(query.model, [])
        low = bisect_left(rows, max(oldest_ns, query.after_ns or 0), key=_when)
        before_ns = newest_ns if query.before_ns is None else min(newest_ns, query.before_ns)
        high = bisect_right(rows, before_ns, key=_when)
        self._late = [row for row in self._late if (row.listed_ns or 0) > now_ns]
        if query.status is not None or only_foreign or self._late:
            hidden = {row.id for row in self._late}
            rows = [
                row
                for row in rows[low:high]
                if query.status in (None, shown_status(row, now_ns))
                and (row.foreign or not only_foreign)
                and row.id not in hidden
            ]
            low, high = 0, len(rows)
        top = high - (query.page - 1) * query.page_size
        bottom = max(low, top - query.page_size)
        shown = rows[bottom:top][::-1] if top > low else []
        first = rows[top] if shown and low <= top < high else None
        return Page(rows=shown, total=max(high - low, 0), before=first)
