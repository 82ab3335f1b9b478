"""What every store can do, whatever lies behind it, and the options that it takes.

Two narrow ports: a `Lister` says what a source holds, a `Reader` looks at, opens and lends one of
its files. Options are plain records that can be handed to another process. Credentials are not
among them: boto3 finds its own.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from catalog.values import Listing, ListingProblem

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadCaps:
    """The most that reading one remote file may cost. None means no limit."""

    #: A file without an index needs one request per 2 MiB to find its end.
    max_requests: int | None = 1_000
    #: Object stores bill what leaves them; 256 MiB is about two cents at AWS.
    max_bytes: int | None = 256 * 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class S3Options:
    """What boto3 is told; None leaves the choice to its own environment and files."""

    endpoint_url: str | None = None
    region: str | None = None
    profile: str | None = None
    #: `auto` is `path` for any endpoint but AWS's own.
    addressing_style: Literal["auto", "path", "virtual"] = "auto"
    #: Agree to pay for requests to other people's buckets. Spends money, so never the default.
    requester_pays: bool = False
    connect_timeout_seconds: float = 10
    read_timeout_seconds: float = 30
    #: First try included.
    max_attempts: int = 5
    #: Most requests at once; threads beyond it wait for a connection.
    max_connections: int = 32
    #: Keys per listing request; S3 gives 1,000 at most.
    page_size: int = 1_000
    #: Ranges of a long listing that are asked for at once.
    listers: int = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """What reading one object takes where there are no credentials. A secret, as any link is."""

    #: A signed address.
    link: str = field(repr=False)
    #: Certificates that the one who signed believes in; None for the usual ones.
    ca_bundle: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class WebOptions:
    """How patient to be with web servers."""

    connect_timeout_seconds: float = 10
    read_timeout_seconds: float = 30
    #: One request with its redirects and its answer, at most 2 MiB, however it drips.
    request_seconds: float = 300
    #: First try included.
    max_attempts: int = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreOptions:
    """All of it."""

    caps: ReadCaps = field(default_factory=ReadCaps)
    s3: S3Options = field(default_factory=S3Options)
    web: WebOptions = field(default_factory=WebOptions)
    #: Follow links of this machine that lead out of the folder that they were found below.
    follow_links: bool = False


#: A local file whose time is younger may still be growing.
YOUNG = timedelta(seconds=30)


def is_young(listing: Listing, now: datetime) -> bool:
    """Tell whether a local file was written to so lately that it may go on."""
    if listing.etag is not None:
        return False  # an object in a bucket is there whole or not at all
    age_seconds = now.timestamp() - listing.mtime_ns / 1_000_000_000
    return age_seconds < YOUNG.total_seconds()


def has_changed(before: Listing, after: Listing | None) -> bool:
    """Tell whether a file is another one than was listed."""
    if after is None or before.size != after.size:
        return True
    if before.etag is not None and after.etag is not None:
        return before.etag != after.etag  # a store may round the time differently each way
    return before.mtime_ns != after.mtime_ns


#: S3 storage classes whose objects nobody can read before they are restored.
ARCHIVE_CLASSES = frozenset({"GLACIER", "DEEP_ARCHIVE"})


class Lister(Protocol):
    """One source, listed."""

    def list(self) -> Iterator[Listing | ListingProblem]:
        """Yield every candidate once, in no promised order and in flat memory.

        A part that cannot be listed is yielded as a problem and the rest goes on.

        Raises:
            SourceError: the source cannot be listed, or not to its end; what was yielded before
                stands, and nothing may be concluded from what was not.
        """


class CountedReader(io.RawIOBase):
    """A seekable, read-only file object that counts what reading it took.

    `read(n)` gives exactly n bytes unless the end comes first. For one thread at a time.
    """

    def __init__(self, *, size: int) -> None:
        super().__init__()
        self.size = size
        #: Bytes that came from the store, wanted or read ahead.
        self.bytes_read = 0
        #: Requests sent to the store; 0 for local files.
        self.requests = 0
        #: Version of the bytes, once the store named it; None where it keeps none.
        self.version: str | None = None
        self._position = 0

    def _read_at(self, position: int, into: memoryview) -> int:
        """Fill `into` from `position`, which with its length lies within the size."""
        raise NotImplementedError

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move without reading; positions beyond the end are allowed and read nothing."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}[whence]
        if start + offset < 0:
            raise ValueError(f"negative seek position {start + offset}")
        self._position = start + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill the buffer as far as the file goes."""
        if self.closed:
            raise ValueError("I/O operation on closed file")
        view = memoryview(buffer).cast("B")
        wanted = max(0, min(len(view), self.size - self._position))
        if not wanted:
            return 0
        count = self._read_at(self._position, view[:wanted])
        self._position += count
        return count

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next `size` bytes, or all that is left."""
        left = max(0, self.size - self._position)
        wanted = left if size is None or size < 0 else min(size, left)
        buffer = bytearray(wanted)
        count = self.readinto(buffer)
        return bytes(buffer[:count])

    def readall(self) -> bytes:
        """Return all that is left."""
        return self.read()


class Opener(Protocol):
    """What probing a file takes. Every method may raise a `tasks.storage.errors.StoreError`."""

    def open(
        self,
        uri: str,
        *,
        size: int,
        etag: str | None = None,
        version: str | None = None,
        root: str | None = None,
    ) -> CountedReader:
        """Open the bytes that were listed, below the local folder `root` if there is one.

        Raises:
            FileChanged: they are others by now; raised here or by a later read.
            FileVanished: they are gone; raised here or by a later read.
        """

    def local_path(self, uri: str) -> Path | None:
        """Return where the file lies on this machine; None: elsewhere."""


class Reader(Opener, Protocol):
    """All files of one URI scheme."""

    def look(self, uri: str) -> Listing | None:
        """Look afresh (stat or HEAD), whatever the file is called. None: there is no such file."""

    def provider_url(
        self, uri: str, *, version: str | None, token: str, expires_in: timedelta
    ) -> str | None:
        """Return an address from which the provider can fetch the file; None: upload it instead.

        The address contains `reelcat=<token>` and is a secret: it is made when it is needed, and
        never logged or stored.

        Raises:
            LinkTooShort: it would die too soon to be of use.
        """
