"""Getting at a video: from our own storage, from the web, or (in-process only) from a file.

The fragment of a local file's address says what is to be found there: `content`, the content's id,
and `root`, the folder that no link may lead out of. Both may be missing. Nothing here runs on the
event loop for long.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx

from tasks.media.fingerprint import content_id
from tasks.network.connections import trusted
from tasks.network.proxies import ProxiedTransport
from tasks.sandbox.options import Mode, SandboxOptions
from tasks.sandbox.storage import Storage, claimed_seconds, identity, upload_id
from tasks.storage.errors import FileChanged, FileVanished, StoreError
from tasks.storage.local import LocalFile, LocalReader, Stamp
from tasks.storage.safe_open import path_to
from tasks.storage.uris import path_of


@dataclass(frozen=True, kw_only=True, slots=True)
class FileHere:
    """A file that was seen to hold what its address says."""

    uri: str
    root: str | None
    stamp: Stamp

    @classmethod
    def of(cls, url: str) -> FileHere:
        """Look at the file that an address names.

        Raises:
            StoreError: it cannot be opened, or holds something else.
        """
        told = parse_qs(urlsplit(url).fragment)
        uri = url.partition("#")[0].partition("?")[0]
        root, content = told.get("root", [None])[0], told.get("content", [None])[0]
        with _opened(uri, root) as file:
            if content is not None and content_id(file, file.size) != content:
                raise FileChanged(uri)
            file.require_unchanged()
            return cls(uri=uri, root=root, stamp=file.stamp)

    @contextmanager
    def opened(self) -> Iterator[str]:
        """Open the very file that was looked at, and lend a path that leads to it alone.

        Where the system offers none, the file's own path has to do.

        Raises:
            StoreError: another file lies there by now, or it was written to.
        """
        with _opened(self.uri, self.root) as file:
            if file.stamp != self.stamp:
                raise FileChanged(self.uri)
            yield path_to(file.fileno()) or os.fspath(path_of(self.uri))


def _opened(uri: str, root: str | None) -> LocalFile:
    reader = LocalReader()
    listing = reader.look(uri)
    if listing is None:
        raise FileVanished(uri)
    return reader.open(uri, size=listing.size, root=root)


Measure = Callable[[str], Decimal | None]

_KEPT = 64
_AS_IT_LIES = {"Accept-Encoding": "identity"}
_TIMEOUT = httpx.Timeout(20.0, connect=10.0)


class Unreachable(Exception):
    """The video cannot be fetched. The message names no address."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Footage:
    """A video at hand."""

    #: `sha256:…` where the content was seen, else the address without its token.
    identity: str
    #: None when it cannot be measured.
    duration_seconds: Decimal | None
    #: None when nothing was fetched.
    path: Path | None
    #: The file of this machine that it is; None for what was uploaded or fetched.
    file: FileHere | None = None

    @contextmanager
    def opened(self) -> Iterator[str | None]:
        """Lend a path by which it can be read; None if there is nothing to read.

        Raises:
            StoreError: it is no longer what was looked at.
        """
        if self.file is None:
            yield None if self.path is None else str(self.path)
        else:
            with self.file.opened() as path:
                yield path


class Footages:
    """Fetches and measures videos, and keeps the latest."""

    def __init__(
        self,
        options: SandboxOptions,
        *,
        storage: Storage,
        measure: Measure | None,
        now: Callable[[], int],
    ) -> None:
        self._options = options
        self._storage = storage
        self._measure = measure
        self._now = now
        self._fetched: OrderedDict[str, asyncio.Task[Footage]] = OrderedDict()
        self._users: Counter[Path] = Counter()
        self._threads = ThreadPoolExecutor(max(4, os.cpu_count() or 1), "sandbox-fetch")

    async def look(self, url: str) -> Footage:
        """Get at the video at `url` and measure it.

        Raises:
            Unreachable: it cannot be fetched.
        """
        stored = upload_id(url)
        if stored is not None:
            return await self._uploaded(stored, url)
        if self._options.mode is Mode.CANNED:
            return self._canned(identity(url), url)
        if url.startswith("file:"):
            return await self._local(url)
        return await self._remote(url)

    def hold(self, footage: Footage) -> None:
        """Keep the footage's file until it is released."""
        if footage.path is not None:
            self._users[footage.path] += 1

    def release(self, footage: Footage) -> None:
        """Say that the footage's file is no longer read."""
        if footage.path is not None:
            self._users[footage.path] -= 1
            self._users += Counter()
        self._forget_oldest()

    def close(self) -> None:
        """Stop taking work. Downloads under way end by themselves."""
        for fetch in self._fetched.values():
            fetch.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _canned(self, identity_: str, url: str) -> Footage:
        seconds = claimed_seconds(url) or self._options.canned_seconds
        return Footage(identity=identity_, duration_seconds=seconds, path=None)

    async def _uploaded(self, id_: str, url: str) -> Footage:
        upload = self._storage.get(id_, self._now())
        if upload is None:
            raise Unreachable("The storage has no such object.")
        content = f"sha256:{upload.sha256}"
        if self._options.mode is Mode.CANNED:
            return self._canned(content, url)
        seconds = await self._measured(upload.path)
        return Footage(identity=content, duration_seconds=seconds, path=upload.path)

    async def _local(self, url: str) -> Footage:
        loop = asyncio.get_running_loop()
        try:
            file = await loop.run_in_executor(self._threads, FileHere.of, url)
            seconds = await loop.run_in_executor(self._threads, self._measure_here, file)
        except StoreError as error:
            raise Unreachable(f"The file cannot be had: {error.reason}.") from error
        return Footage(
            identity=identity(url), duration_seconds=seconds, path=path_of(file.uri), file=file
        )

    def _measure_here(self, file: FileHere) -> Decimal | None:
        with file.opened() as path:
            return self._measure(path) if self._measure is not None else None

    async def _remote(self, url: str) -> Footage:
        key = identity(url)
        fetch = self._fetched.get(key)
        if fetch is None:
            fetch = self._fetched[key] = asyncio.create_task(self._download(url))
            fetch.add_done_callback(lambda done: self._drop_failed(key, done))
        self._fetched.move_to_end(key)
        self._forget_oldest()
        # Shielded: others may wait for the same video.
        return await asyncio.shield(fetch)

    async def _download(self, url: str) -> Footage:
        descriptor, name = tempfile.mkstemp(dir=self._storage.folder, prefix="fetched-")
        os.close(descriptor)
        path = Path(name)
        try:
            loop = asyncio.get_running_loop()
            content = await loop.run_in_executor(self._threads, download, url, path, self._options)
            seconds = await self._measured(path)
        except BaseException:
            _discard(path)
            raise
        return Footage(identity=f"sha256:{content}", duration_seconds=seconds, path=path)

    async def _measured(self, path: Path) -> Decimal | None:
        if self._measure is None:
            return None
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._measure, str(path))

    def _drop_failed(self, key: str, fetch: asyncio.Task[Footage]) -> None:
        if (fetch.cancelled() or fetch.exception() is not None) and self._fetched.get(key) is fetch:
            del self._fetched[key]

    def _forget_oldest(self) -> None:
        for key, fetch in list(self._fetched.items())[: max(0, len(self._fetched) - _KEPT)]:
            if not fetch.done():
                continue
            path = fetch.result().path
            if path is not None and not self._users[path]:
                path.unlink(missing_ok=True)
                del self._fetched[key]


def _discard(path: Path) -> None:
    path.unlink(missing_ok=True)


def download(url: str, target: Path, options: SandboxOptions) -> str:
    """Stream `url` into `target` and give the content's SHA-256.

    Raises:
        Unreachable: no answer, not a 2xx, too large, or it takes too long.
    """
    deadline = time.monotonic() + options.fetch_seconds
    digest = hashlib.sha256()
    size = 0
    try:
        with (
            httpx.Client(transport=ProxiedTransport(trusted()), trust_env=False) as client,
            client.stream(
                "GET", url, follow_redirects=True, timeout=_TIMEOUT, headers=_AS_IT_LIES
            ) as answer,
            target.open("wb") as file,
        ):
            if not answer.is_success:
                raise Unreachable(f"Its server answered {answer.status_code}.")
            for piece in answer.iter_raw(1 << 18):
                size += len(piece)
                if size > options.max_video_bytes:
                    raise Unreachable(f"It is larger than {options.max_video_bytes} bytes.")
                if time.monotonic() > deadline:
                    raise Unreachable(f"It took longer than {options.fetch_seconds:g} seconds.")
                digest.update(piece)
                file.write(piece)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        # The error's own words may hold the address.
        raise Unreachable(f"The connection failed ({type(error).__name__}).") from None
    return digest.hexdigest()
