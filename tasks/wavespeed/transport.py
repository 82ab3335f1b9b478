"""aiohttp's connections behind httpx's API, with errors told apart as exactly as money needs it.

httpx's own pool costs more processor time the more requests are open; this one does not. What is
raised before a request is sent becomes `httpx.ConnectError`, `ConnectTimeout` or
`UnsupportedProtocol`; whatever is raised after that never does.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import aiohttp
import httpx
from aiohttp.connector import Connection
from yarl import URL

from tasks.foundation.redaction import remember_secret
from tasks.network.proxies import proxies_of_environment
from tasks.wavespeed.exchange import CHECK, Check, send

#: The first that an error is an instance of names it. The first three are raised before anything is
#: sent; all others may come after that.
_NAMES: tuple[tuple[type[Exception], type[httpx.TransportError]], ...] = (
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    (aiohttp.InvalidURL, httpx.UnsupportedProtocol),
    (aiohttp.ServerTimeoutError, httpx.ReadTimeout),
    (aiohttp.ClientOSError, httpx.ReadError),
    (aiohttp.ClientError, httpx.RemoteProtocolError),
)


#: What the request that is being sent in this task asks last.
_check: ContextVar[Check] = ContextVar("check", default=send)


def is_proxied(base_url: str) -> bool:
    """Whether the environment names a proxy for this address; httpx's own transport takes it.

    Raises `SettingsError` if it names one that cannot be used.
    """
    proxy = proxies_of_environment().proxy_for(base_url)
    if proxy is not None and proxy.auth is not None:
        remember_secret(proxy.auth[1])
    return proxy is not None


class AiohttpTransport(httpx.AsyncBaseTransport):
    """A pool of connections that belongs to the event loop it is first used on.

    Sends bodies that are in memory, once: a POST is never sent again. Takes no proxy.
    """

    def __init__(
        self, *, most_connections: int, keepalive_seconds: float, tls: ssl.SSLContext
    ) -> None:
        self._most_connections = most_connections
        self._keepalive_seconds = keepalive_seconds
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request; the answer's body is read as its stream is."""
        timeouts = request.extensions.get("timeout", {})
        body = await request.aread()
        _check.set(request.extensions.get(CHECK, send))
        with _in_httpx_words():
            answer = await self._open_session().request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=request.headers.multi_items(),
                data=body or None,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(
                    sock_connect=timeouts.get("connect"),
                    sock_read=timeouts.get("read"),
                    connect=timeouts.get("pool"),
                ),
            )
        return httpx.Response(
            answer.status,
            headers=list(answer.raw_headers),
            stream=_Body(answer),
            extensions={"http_version": b"HTTP/1.1"},
        )

    async def aclose(self) -> None:
        """Close all connections; what is under way ends with an error."""
        if self._session is not None:
            await self._session.close()

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._most_connections,
                    keepalive_timeout=self._keepalive_seconds,
                    ssl=self._tls,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                request_class=_CheckedRequest,
                auto_decompress=False,
                middlewares=(_once,),
            )
        return self._session


class _CheckedRequest(aiohttp.ClientRequest):
    """A request that asks once more whether it is wanted when it has its connection."""

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        _check.get()()
        return await super().send(conn)


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _in_httpx_words():
            async for block in self._answer.content.iter_any():
                yield block

    async def aclose(self) -> None:
        self._answer.release()  # closes the connection unless the whole body was read


async def _once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Send a request once: aiohttp sends a lost GET again, but not after an error of ours."""
    with _in_httpx_words():
        return await handler(request)


@contextmanager
def _in_httpx_words() -> Iterator[None]:
    try:
        yield
    except aiohttp.ClientError as error:
        for theirs, ours in _NAMES:
            if isinstance(error, theirs):
                raise ours(str(error)) from error
        raise
