"""Single files on web servers, as lists name them. There is nothing to list on the web itself.

The user named an address, wherever it leads; its server may redirect only within that same server,
or to hosts of the public internet, and from an encrypted address to encrypted ones. An answer is
read as far as it was asked for, as it lies on the server, and for so many seconds in all.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote

import httpx
from tenacity import (
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from catalog.matching import with_token
from catalog.values import Listing
from tasks.foundation.untrusted_values import (
    MOST_ETAG,
    http_date,
    integer_in,
    nanoseconds_of,
    short,
    storable,
)
from tasks.network.connections import HostRefused, require_allowed, timed_by, trusted, within
from tasks.network.hosts import HostRule
from tasks.network.proxies import ProxiedTransport
from tasks.storage.block_cache import BlockReader
from tasks.storage.errors import (
    FileChanged,
    FileForbidden,
    FileUnreadable,
    FileVanished,
    ReadInterrupted,
    StoreError,
    StoreUnreachable,
)
from tasks.storage.registry import PerProcess
from tasks.storage.store import CountedReader, ReadCaps, StoreOptions, WebOptions

_CONTENT_RANGE = re.compile(r"bytes ([0-9]+)-([0-9]+)/([0-9]+)")
_SILENT = "the web server does not answer; check the address and the network"
_NO_PARTS = "the web server cannot send parts of it; download it"
_MOST_REDIRECTS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class WebClients:
    """What speaks to web servers. Each has connections of its own, made by its own rule."""

    #: To the servers that the user named.
    named: httpx.Client
    #: To those that they redirect to.
    elsewhere: httpx.Client
    options: WebOptions

    @contextmanager
    def ask(
        self, method: str, uri: str, headers: dict[str, str] | None = None
    ) -> Iterator[httpx.Response]:
        """Send a request, follow redirects by the rule, and give the answer before its body.

        Raises:
            FileUnreadable: it redirects to where it must not.
            StoreUnreachable: no answer came, or the body took too long.
        """
        try:
            with within(self.options.request_seconds), self._followed(method, uri, headers) as it:
                yield it
        except HostRefused as error:
            reason = f"the web server redirects, and {error}; name the file's own address"
            raise FileUnreadable(uri, reason) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise StoreUnreachable(uri, _SILENT) from error

    @contextmanager
    def _followed(
        self, method: str, uri: str, headers: dict[str, str] | None
    ) -> Iterator[httpx.Response]:
        named = url = httpx.URL(uri)
        for _ in range(_MOST_REDIRECTS):
            client = self.named if _same_server(named, url) else self.elsewhere
            with client.stream(method, url, headers=headers) as answer:
                if answer.next_request is None:
                    yield answer
                    return
                url = _redirected(named, url, answer.next_request.url)
        raise StoreUnreachable(uri, "the web server redirects without end; check the address")


class WebFile(BlockReader):
    """One file on a web server, read by ranged GETs."""

    def __init__(
        self, uri: str, clients: WebClients, *, size: int, etag: str | None, caps: ReadCaps
    ) -> None:
        super().__init__(uri, size=size, caps=caps)
        self._clients = clients
        self._etag = etag

    def fetch(self, start: int, stop: int) -> bytes:
        """Send one GET; an answer about other bytes than were listed is refused."""
        self.requests += 1
        asked = {"Range": f"bytes={start}-{stop - 1}"}
        try:
            with self._clients.ask("GET", self.uri, asked) as answer:
                self._require_the_listed_bytes(answer, start, stop)
                return self._body(answer, stop - start)
        except StoreUnreachable as error:
            raise ReadInterrupted(self.uri, error.reason) from error

    def _require_the_listed_bytes(self, answer: httpx.Response, start: int, stop: int) -> None:
        error = status_error(self.uri, answer.status_code)
        if error is not None:
            raise error
        part = _part_in(answer)
        if part is None or answer.headers.get("Content-Encoding", "identity") != "identity":
            raise FileUnreadable(self.uri, _NO_PARTS)
        other = self._etag is not None and answer.headers.get("ETag") != self._etag
        if other or part[2] != self.size:
            raise FileChanged(self.uri)
        if part[0] != start or part[1] >= stop:
            raise FileUnreadable(self.uri, _NO_PARTS)

    def _body(self, answer: httpx.Response, wanted: int) -> bytes:
        body = bytearray()
        for block in answer.iter_raw():
            body += block
            if len(body) > wanted:
                raise FileUnreadable(self.uri, _NO_PARTS)
        return bytes(body)


class WebReader:
    """`http://` and `https://` URIs."""

    def __init__(self, clients: PerProcess[WebClients], options: StoreOptions) -> None:
        self._clients = clients
        self._options = options

    def open(
        self,
        uri: str,
        *,
        size: int,
        etag: str | None = None,
        version: str | None = None,
        root: str | None = None,
    ) -> CountedReader:
        """Open a file; no request is sent before the first read."""
        del version, root
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
            name=storable(unquote(httpx.URL(uri).path)).rpartition("/")[2],
            size=size,
            mtime_ns=_modified_ns(answer),
            etag=short(answer.headers.get("ETag"), MOST_ETAG),
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
        clients = self._clients.get()
        with clients.ask("HEAD", uri) as answer:
            if answer.is_success and size_in(answer) is not None:
                return answer
        with clients.ask("GET", uri, {"Range": "bytes=0-0"}) as answer:
            error = status_error(uri, answer.status_code)
            if error is not None:
                raise error
            return answer


def web_clients(options: WebOptions) -> WebClients:
    """Return clients that take bytes as they lie on the server."""
    return WebClients(
        named=_client(options, None), elsewhere=_client(options, HostRule()), options=options
    )


def _client(options: WebOptions, rule: HostRule | None) -> httpx.Client:
    return httpx.Client(
        transport=ProxiedTransport(trusted(), prepare=timed_by(rule)),
        verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),  # not used: the transport has its own
        trust_env=False,
        follow_redirects=False,
        headers={"Accept-Encoding": "identity"},
        timeout=httpx.Timeout(
            options.read_timeout_seconds, connect=options.connect_timeout_seconds
        ),
    )


def _redirected(named: httpx.URL, before: httpx.URL, url: httpx.URL) -> httpx.URL:
    """The address that a redirect leads to, if it may be followed."""
    if url.scheme not in {"http", "https"}:
        raise HostRefused("the address is none of the web")
    if before.scheme == "https" != url.scheme:
        raise HostRefused("the address is not encrypted any more")
    trusted = [url.raw_host.decode()] if _same_server(named, url) else []
    require_allowed(url, HostRule(named=frozenset(trusted)))
    return url


def _same_server(named: httpx.URL, url: httpx.URL) -> bool:
    """Whether an address stays at the server that was named, or at its encrypted self."""
    if url.raw_host != named.raw_host:
        return False
    ports = [one.port or {"http": 80, "https": 443}.get(one.scheme) for one in (named, url)]
    return ports[0] == ports[1] or ports == [80, 443]


def size_in(answer: httpx.Response) -> int | None:
    """Return the size of the whole file that an answer names; None if it names none."""
    if answer.status_code == httpx.codes.PARTIAL_CONTENT:
        part = _part_in(answer)
        return part[2] if part else None
    length: str = answer.headers.get("Content-Length", "")
    packed = answer.headers.get("Content-Encoding", "identity") != "identity"
    return None if packed or not length.isdecimal() else integer_in(length)


def _part_in(answer: httpx.Response) -> tuple[int, int, int] | None:
    """First and last byte, and size of the whole; None if it is no part, or of no known size."""
    found = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    if answer.status_code != httpx.codes.PARTIAL_CONTENT or found is None:
        return None
    first, last, size = (integer_in(number) for number in found.groups())
    if first is None or last is None or size is None:
        return None
    return first, last, size


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
    instant = http_date(answer.headers.get("Last-Modified", ""))
    return 0 if instant is None else nanoseconds_of(instant)
