"""Single files on web servers, as lists name them. There is nothing to list on the web itself."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
from tenacity import (
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from catalog.tokens import with_token
from catalog.values import Listing
from tasks.certificates import trusted
from tasks.proxies import ProxiedTransport
from tasks.storage.blocks import BlockReader
from tasks.storage.errors import (
    FileChanged,
    FileForbidden,
    FileUnreadable,
    FileVanished,
    ReadInterrupted,
    StoreError,
    StoreUnreachable,
)
from tasks.storage.options import ReadCaps, StoreOptions, WebOptions
from tasks.storage.per_process import PerProcess
from tasks.storage.store import CountedReader

_CONTENT_RANGE = re.compile(r"bytes \d+-\d+/(\d+)")
_SILENT = "the web server does not answer; check the address and the network"


class WebFile(BlockReader):
    """One file on a web server, read by ranged GETs."""

    def __init__(
        self, uri: str, client: httpx.Client, *, size: int, etag: str | None, caps: ReadCaps
    ) -> None:
        super().__init__(uri, size=size, caps=caps)
        self._client = client
        self._etag = etag

    def fetch(self, start: int, stop: int) -> bytes:
        """Send one GET; an answer about other bytes than were listed is refused."""
        self.requests += 1
        try:
            with self._client.stream(
                "GET", self.uri, headers={"Range": f"bytes={start}-{stop - 1}"}
            ) as answer:
                self._require_the_listed_bytes(answer)
                return answer.read()
        except httpx.HTTPError as error:
            raise ReadInterrupted(self.uri, _SILENT) from error

    def _require_the_listed_bytes(self, answer: httpx.Response) -> None:
        error = status_error(self.uri, answer.status_code)
        if isinstance(error, StoreUnreachable):
            raise ReadInterrupted(self.uri, error.reason)
        if error is not None:
            raise error
        if answer.status_code != httpx.codes.PARTIAL_CONTENT:
            raise FileUnreadable(self.uri, "the web server cannot send parts of it; download it")
        other = self._etag is not None and answer.headers.get("ETag") != self._etag
        if other or size_in(answer) != self.size:
            raise FileChanged(self.uri)


class WebReader:
    """`http://` and `https://` URIs."""

    def __init__(self, clients: PerProcess[httpx.Client], options: StoreOptions) -> None:
        self._clients = clients
        self._options = options

    def open(
        self, uri: str, *, size: int, etag: str | None = None, version: str | None = None
    ) -> CountedReader:
        """Open a file; no request is sent before the first read."""
        del version
        return WebFile(uri, self._clients.get(), size=size, etag=etag, caps=self._options.caps)

    def look(self, uri: str) -> Listing | None:
        """Ask for the headers; a server that does not do so is asked for the first byte."""
        retrying = Retrying(
            retry=retry_if_exception_type(StoreUnreachable),
            stop=stop_after_attempt(self._options.web.max_attempts),
            wait=wait_random_exponential(multiplier=0.2, max=5),
            reraise=True,
        )
        try:
            answer = retrying(self._headers, uri)
        except FileVanished:
            return None
        size = size_in(answer)
        if size is None:
            raise FileUnreadable(uri, "the web server does not say how large it is; download it")
        return Listing(
            uri=uri,
            name=unquote(httpx.URL(uri).path).rpartition("/")[2],
            size=size,
            mtime_ns=_modified_ns(answer),
            etag=answer.headers.get("ETag"),
        )

    def provider_url(
        self, uri: str, *, version: str | None, token: str, expires_in: timedelta
    ) -> str | None:
        """Mark the address; where it already has a query, which may be checked, after a `#`."""
        del version, expires_in
        return with_token(uri, token)

    def local_path(self, uri: str) -> Path | None:
        """None: it is on a web server."""
        del uri
        return None

    def _headers(self, uri: str) -> httpx.Response:
        answer = self._send(uri, self._clients.get().head)
        if answer.is_success and size_in(answer) is not None:
            return answer
        first_byte = self._clients.get().build_request("GET", uri, headers={"Range": "bytes=0-0"})
        answer = self._send(uri, lambda _: self._clients.get().send(first_byte, stream=True))
        answer.close()
        error = status_error(uri, answer.status_code)
        if error is not None:
            raise error
        return answer

    def _send(self, uri: str, send: Callable[[str], httpx.Response]) -> httpx.Response:
        try:
            return send(uri)
        except httpx.HTTPError as error:
            raise StoreUnreachable(uri, _SILENT) from error


def web_client(options: WebOptions) -> httpx.Client:
    """Return a client that follows redirects and takes bytes as they lie on the server."""
    return httpx.Client(
        transport=ProxiedTransport(trusted()),
        verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),  # not used: the transport has its own
        trust_env=False,
        follow_redirects=True,
        headers={"Accept-Encoding": "identity"},
        timeout=httpx.Timeout(
            options.read_timeout_seconds, connect=options.connect_timeout_seconds
        ),
    )


def size_in(answer: httpx.Response) -> int | None:
    """Return the size of the whole file that an answer names; None if it names none."""
    if answer.status_code == httpx.codes.PARTIAL_CONTENT:
        match = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        return int(match[1]) if match else None
    length: Any = answer.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def status_error(uri: str, status: int) -> StoreError | None:
    """Say what an HTTP status means for a file; None if it is good."""
    if status in {200, 206}:
        return None
    if status in {404, 410}:
        return FileVanished(uri)
    if status in {412, 416}:
        return FileChanged(uri)
    kind: type[StoreError] = FileUnreadable
    words = "does not hand it out; check the address"
    if status in {401, 403, 407}:
        kind, words = FileForbidden, "refuses it; allow reading it without a password"
    elif status in {408, 425, 429} or status >= 500:
        kind, words = StoreUnreachable, "is in trouble; try again later"
    return kind(uri, f"the web server {words} (HTTP {status})")


def _modified_ns(answer: httpx.Response) -> int:
    """Return Last-Modified in nanoseconds; 0 where there is none, as the ETag then decides."""
    try:
        instant = parsedate_to_datetime(answer.headers.get("Last-Modified", ""))
    except (TypeError, ValueError):
        return 0
    return int(instant.timestamp()) * 1_000_000_000
