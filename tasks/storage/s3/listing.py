"""Listing a bucket: one request per thousand keys, a few pages in memory, none per object.

What does not fit one page is listed in ranges of keys side by side, in a bounded number of threads.
Keys come sorted by their UTF-8, which is how Python compares text as well. A range ends with a key
that belongs to it; None is the end of all. Where to cut is asked from the folders that lie between.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from catalog.values import Listing, ListingProblem
from tasks.storage.registry import PerProcess
from tasks.storage.s3.client import S3Clients
from tasks.storage.s3.errors import S3_ERRORS, reason_of, source_error
from tasks.storage.s3.objects import class_to_meet, etag_in, nanoseconds, size_in
from tasks.storage.source import is_candidate
from tasks.storage.store import S3Options
from tasks.storage.uris import s3_uri, split_s3


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


#: Directory buckets give their keys in no order, so that no range of them can be asked for.
_UNSORTED = "--x-s3"
#: An answer without any of them says nothing of the bucket.
_SAID_BY_EVERY_LISTING = frozenset({"Name", "KeyCount", "MaxKeys", "IsTruncated", "Contents"})


class BucketLister:
    """Every object under a prefix that may be a video.

    `s3://bucket/p` means all under `p/` and the object `p` itself, never `pq/…`; `s3://bucket//`
    means all under the prefix `/`, and nothing is taken out of a key. The object that
    the prefix itself names is listed whatever it is called, as a single file of a folder is.
    """

    def __init__(self, uri: str, clients: PerProcess[S3Clients], options: S3Options) -> None:
        self._uri = uri
        self._clients = clients
        self._options = options
        self._bucket, self._prefix = split_s3(uri)
        #: What the keys below the prefix begin with. One that ends in a slash is such already.
        slash = "/" if self._prefix and not self._prefix.endswith("/") else ""
        self._folder = f"{self._prefix}{slash}"

    def list(self) -> Iterator[Listing | ListingProblem]:
        """Yield objects page by page."""
        began = False
        try:
            for page in self._pages():
                began = True
                for found in page.get("Contents", ()):
                    listing = self._listing(found)
                    if listing is not None:
                        yield listing
        except S3_ERRORS as error:
            if not began:
                raise source_error(self._uri, error) from error
            yield ListingProblem(uri=self._uri, reason=f"broke off: {reason_of(error)}")

    def _pages(self) -> Iterator[Page]:
        client = self._clients.get().main
        request: dict[str, Any] = {
            "Bucket": self._bucket,
            "OptionalObjectAttributes": ["RestoreStatus"],
        }
        if self._options.requester_pays:
            request["RequestPayer"] = "requester"
        folder = self._folder
        if folder != self._prefix:
            # Keys come sorted, so an object that is the prefix itself is the first of its like.
            first = client.list_objects_v2(**request, Prefix=self._prefix, MaxKeys=1)
            itself = [found for found in first.get("Contents", ()) if found["Key"] == self._prefix]
            yield {"Contents": itself}
        request["MaxKeys"] = self._options.page_size

        def ask(prefix: str, after: str, **more: str) -> Page:
            where = {"StartAfter": after} if after else {}
            page: Page = client.list_objects_v2(**request, Prefix=prefix, **(more or where))
            if _SAID_BY_EVERY_LISTING.isdisjoint(page):
                raise ValueError("an empty answer is no empty bucket")
            return page

        def keys(after: str, token: str | None) -> Page:
            return ask(folder, after, **({"ContinuationToken": token} if token else {}))

        def folders(within: str, after: str) -> Page:
            return ask(within, "", StartAfter=after, Delimiter="/")

        page = keys("", None)
        yield page
        in_order = not self._bucket.endswith(_UNSORTED)
        while (token := page.get("NextContinuationToken")) and not (in_order and keys_of(page)):
            page = keys("", token)
            yield page
        if token:
            met = keys_of(page)
            rest = KeyRange(after=met[-1], until=None)
            asking = Asking(keys=keys, folders=folders)
            crew = SideBySide(asking, prefix=folder, workers=self._options.listers)
            yield from crew.pages(rest, met)

    def _listing(self, found: dict[str, Any]) -> Listing | None:
        """Read one row; None for folder markers and everything that is no candidate."""
        key: str = found["Key"]
        if key == self._prefix:
            name = key.rpartition("/")[2]
            wanted = found["Size"] > 0 and name != ""
        elif key.startswith(self._folder):
            name = key[len(self._folder) :]
            wanted = is_candidate(name)
        else:
            return None
        if not wanted:
            return None
        return Listing(
            uri=s3_uri(self._bucket, key),
            name=name,
            size=size_in(found["Size"]),
            mtime_ns=nanoseconds(found["LastModified"]),
            etag=etag_in(found),
            storage_class=class_to_meet(
                found.get("StorageClass"),
                restored="RestoreExpiryDate" in found.get("RestoreStatus", {}),
            ),
        )
