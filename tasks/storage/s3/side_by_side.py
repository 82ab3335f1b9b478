"""Listing the ranges of a long listing side by side, in a bounded number of threads and pages.

One thread begins; whenever others have nothing to do, a thread asks which folders lie ahead of it
and gives some of them away. So a bucket of one folder is listed by one, and a bucket of many by
all, however unevenly the keys lie. No range is listed twice.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.storage.s3.ranges import KeyRange, cut, levels, worth

#: An answer of ListObjectsV2.
Page = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Asking:
    """The requests that listing takes."""

    #: The keys below the prefix behind a key, or those that a token goes on with.
    keys: Callable[[str, str | None], Page]
    #: What lies behind a key in a folder, its own folders named once each.
    folders: Callable[[str, str], Page]


def keys_of(page: Page) -> list[str]:
    """Give the keys of a page in their order."""
    return [found["Key"] for found in page.get("Contents", ())]


class SideBySide:
    """One listing below a prefix. For one use."""

    def __init__(self, asking: Asking, *, prefix: str, workers: int) -> None:
        self._asking = asking
        self._prefix = prefix
        self._workers = workers
        #: Guards everything below.
        self._changed = threading.Condition()
        self._todo: deque[tuple[KeyRange, Sequence[str]]] = deque()
        self._ready: deque[Page] = deque()
        self._busy = 0
        self._trouble: Exception | None = None
        self._stopped = False

    def pages(self, rest: KeyRange, seen: Sequence[str]) -> Iterator[Page]:
        """Yield the pages of a range in no promised order; `seen` are keys that came before it.

        The first request that fails ends it, when what came before was yielded.
        """
        self._todo.append((rest, seen))
        threads = [
            threading.Thread(target=self._work, name=f"list-{number}", daemon=True)
            for number in range(self._workers)
        ]
        for thread in threads:
            thread.start()
        try:
            while (page := self._next()) is not None:
                yield page
        finally:
            self._stop(None)
        if self._trouble is not None:
            raise self._trouble

    def _next(self) -> Page | None:
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._is_over())
            if not self._ready:
                return None
            page = self._ready.popleft()
            self._changed.notify_all()
            return page

    def _is_over(self) -> bool:
        return self._stopped or (not self._todo and not self._busy)

    def _stop(self, trouble: Exception | None) -> None:
        with self._changed:
            self._trouble = self._trouble or trouble
            self._stopped = True
            self._changed.notify_all()

    def _work(self) -> None:
        while (given := self._take()) is not None:
            try:
                self._walk(*given)
            except Exception as error:  # noqa: BLE001 - raised again where the pages are read
                self._stop(error)
            finally:
                with self._changed:
                    self._busy -= 1
                    self._changed.notify_all()

    def _take(self) -> tuple[KeyRange, Sequence[str]] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._todo or self._is_over())
            if self._is_over():
                return None
            self._busy += 1
            return self._todo.popleft()

    def _walk(self, rest: KeyRange, seen: Sequence[str]) -> None:
        """List a range to its end, giving parts of it away where others are idle."""
        token: str | None = None
        barren: set[str] = set()
        for number in itertools.count():
            # A range was cut to be short. The longer it turns out to be, the rarer it is cut again.
            is_to_share = number.bit_count() == 1 if number > 1 else bool(number == 0 and seen)
            shorter = self._share(rest, seen, barren) if is_to_share else rest
            page = self._asking.keys(rest.after, token)
            keys = keys_of(page)
            own = [found for found in page.get("Contents", ()) if shorter.holds(found["Key"])]
            if not self._give({"Contents": own}):
                return
            token = page.get("NextContinuationToken")
            # A page may be empty and go on, as where much was deleted.
            if token is None or (keys and shorter.is_passed_by(keys[-1])):
                return
            seen = keys or seen
            rest = KeyRange(after=max([rest.after, *keys[-1:]]), until=shorter.until)

    def _give(self, page: Page) -> bool:
        """Hand a page on; False if nobody reads any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or len(self._ready) < self._workers)
            if not self._stopped:
                self._ready.append(page)
                self._changed.notify_all()
            return not self._stopped

    def _share(self, rest: KeyRange, seen: Sequence[str], barren: set[str]) -> KeyRange:
        """Give away what is far ahead, if anybody could take it; gives what is left.

        `barren` are folders in which nothing was ahead: behind a later key there is less.
        """
        with self._changed:
            if self._todo or self._busy == self._workers:
                return rest
        for folder in levels(self._prefix, rest.after, rest.until):
            if folder in barren:
                continue
            answer = self._asking.folders(folder, rest.after)
            ahead = [found["Prefix"] for found in answer.get("CommonPrefixes", ())]
            ahead = [one for one in ahead if rest.holds(one)]
            pieces = min(2 * self._workers, worth(len(ahead), seen, folder))
            own, *others = cut(rest, ahead, pieces)
            if others:
                with self._changed:
                    self._todo.extend((one, ()) for one in others)
                    self._changed.notify_all()
                return own
            barren.add(folder)
        return rest
