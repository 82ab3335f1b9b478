"""The one place that knows which store a source or a URI belongs to.

`Stores` can be handed to another process: what travels is its options, and each process makes its
own clients when they are first needed.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from catalog.errors import UsageError
from catalog.values import Listing, SourceKind
from tasks.storage.local import FileLister, FolderLister, LocalReader
from tasks.storage.manifest import ManifestLister
from tasks.storage.source import Source
from tasks.storage.store import Grant, Lister, Opener, Reader, StoreOptions
from tasks.storage.uris import scheme_of, shown

if TYPE_CHECKING:
    from tasks.storage.s3.client import S3Clients
    from tasks.storage.web import WebClients


Made = TypeVar("Made")


class PerProcess(Generic[Made]):
    """Holds what `make` makes. A forked child makes its own: connections must not be shared."""

    def __init__(self, make: Callable[[], Made]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: tuple[int, Made] | None = None

    def get(self) -> Made:
        """Return this process's own, from any thread."""
        with self._lock:
            if self._made is None or self._made[0] != os.getpid():
                self._made = os.getpid(), self._make()
            return self._made[1]


class Stores:
    """Every store, from one set of options. Safe to use from any thread."""

    def __init__(self, options: StoreOptions | None = None) -> None:
        self.options = options or StoreOptions()
        self._s3_clients = PerProcess(self._new_s3_clients)
        self._web_clients = PerProcess(self._new_web_clients)

    def __reduce__(self) -> tuple[Callable[[StoreOptions], Stores], tuple[StoreOptions]]:
        return _stores_of_this_process, (self.options,)

    def lister(self, source: Source) -> Lister:
        """Return what lists a source."""
        match source.kind:
            case SourceKind.FOLDER:
                return FolderLister(source.uri, follow_links=self.options.follow_links)
            case SourceKind.FILE:
                return FileLister(source.uri)
            case SourceKind.MANIFEST if scheme_of(source.uri) == "s3":
                from tasks.storage.s3.inventory import InventoryLister  # noqa: PLC0415 -- boto3

                return InventoryLister(source.uri, self._s3_clients, self.options.s3)
            case SourceKind.MANIFEST:
                return ManifestLister(source.uri, self.look)
            case SourceKind.BUCKET:
                from tasks.storage.s3.listing import BucketLister  # noqa: PLC0415 -- brings boto3

                return BucketLister(source.uri, self._s3_clients, self.options.s3)

    def reader(self, uri: str) -> Reader:
        """Return what reads a URI.

        Raises:
            UsageError: no store knows such URIs.
        """
        match scheme_of(uri):
            case "file":
                return self.local_reader()
            case "s3":
                from tasks.storage.s3.objects import S3Reader  # noqa: PLC0415 -- brings boto3

                return S3Reader(self._s3_clients, self.options)
            case "http" | "https":
                from tasks.storage.web import WebReader  # noqa: PLC0415 -- brings httpx

                return WebReader(self._web_clients, self.options)
            case _:
                raise UsageError(f"{shown(uri)} is no file://, s3:// or http(s):// address.")

    def grant(self, listing: Listing) -> Grant | None:
        """Return what opens a file where there are no credentials; None if that takes nothing.

        Raises:
            StoreError: it cannot be opened from here either.
        """
        if scheme_of(listing.uri) != "s3":
            return None
        from tasks.storage.s3.objects import S3Reader  # noqa: PLC0415 -- brings boto3

        reader = S3Reader(self._s3_clients, self.options)
        return reader.grant(listing.uri, version=listing.version)

    def opener(self, uri: str, grant: Grant | None) -> Opener:
        """Return what opens a URI, by what was granted if it was."""
        if grant is None:
            return self.reader(uri)
        from tasks.storage.s3.objects import GrantedOpener  # noqa: PLC0415 -- brings boto3

        return GrantedOpener(grant, self.options)

    def local_reader(self) -> LocalReader:
        """Return what reads files of this machine."""
        return LocalReader(follow_links=self.options.follow_links)

    def look(self, uri: str) -> Listing | None:
        """Look at one file, wherever it lies; see `Reader.look`."""
        return self.reader(uri).look(uri)

    def local_path(self, uri: str) -> Path | None:
        """Return where a file lies on this machine; None: elsewhere."""
        return LocalReader().local_path(uri) if scheme_of(uri) == "file" else None

    def _new_s3_clients(self) -> S3Clients:
        from tasks.storage.s3.client import S3Clients  # noqa: PLC0415 -- brings boto3

        return S3Clients(self.options.s3)

    def _new_web_clients(self) -> WebClients:
        from tasks.storage.web import web_clients  # noqa: PLC0415 -- brings httpx

        return web_clients(self.options.web)


@functools.lru_cache(maxsize=4)
def _stores_of_this_process(options: StoreOptions) -> Stores:
    """Return the same stores for the same options, so that each task of a worker shares clients."""
    return Stores(options)
