"""Listing a bucket: one request per thousand keys, a few pages in memory, no request per object.

What does not fit one page is listed in ranges side by side: over a long line a listing waits more
than it works.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from catalog.values import Listing, ListingProblem
from tasks.storage.candidates import is_candidate
from tasks.storage.options import S3Options
from tasks.storage.per_process import PerProcess
from tasks.storage.s3.answers import class_to_meet, etag_in, nanoseconds, size_in
from tasks.storage.s3.client import S3Clients
from tasks.storage.s3.errors import S3_ERRORS, reason_of, source_error
from tasks.storage.s3.ranges import KeyRange
from tasks.storage.s3.side_by_side import Asking, Page, SideBySide, keys_of
from tasks.storage.uris import s3_uri, split_s3

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
