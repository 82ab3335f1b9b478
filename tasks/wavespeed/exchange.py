"""One request and its answer: sent once, read up to a size and a deadline, errors in words."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable

import httpx

from tasks.wavespeed.envelope import MOST_BODY_BYTES, Answer
from tasks.wavespeed.redaction import redact

#: These are raised before the first byte of the request itself is on its way.
_NEVER_CONNECTED = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)

#: Sends one request once, and gives the answer as soon as its headers are there.
Sender = Callable[[httpx.Request], Awaitable[httpx.Response]]


def sender(client: httpx.AsyncClient) -> Sender:
    """Send requests as they are: no redirect is followed, and bodies are read later."""
    return functools.partial(client.send, stream=True, follow_redirects=False)


async def exchange(send: Sender, request: httpx.Request, *, seconds: float) -> Answer:
    """Send the request and read its answer, up to `MOST_BODY_BYTES` and so many seconds in all.

    Raises `httpx.HTTPError` or `OSError` when not even a status came back.
    """
    if not can_be_reached(request.url):
        raise httpx.UnsupportedProtocol("The address has no possible host or port.")
    response: httpx.Response | None = None
    body = bytearray()
    cut: str | None = None
    try:
        async with asyncio.timeout(seconds):
            response = await send(request)
            async for block in response.aiter_bytes():
                body += block
                if len(body) > MOST_BODY_BYTES:
                    cut = f"is longer than {MOST_BODY_BYTES} bytes"
                    break
    except (httpx.HTTPError, OSError) as error:
        if response is None:
            raise
        cut = f"ended early ({described(error)})"
    finally:
        if response is not None:
            await response.aclose()
    return Answer(
        status_code=response.status_code,
        headers=response.headers,
        body=bytes(body[:MOST_BODY_BYTES]),
        cut=cut,
    )


def can_be_reached(url: httpx.URL) -> bool:
    """Whether the system's resolver and sockets take this host and port without an exception."""
    try:
        url.host.encode("idna")
    except UnicodeError:
        return False
    return bool(url.host) and (url.port is None or 0 < url.port < 65_536)


def never_connected(error: Exception) -> bool:
    """Whether this error proves that no byte of the request was sent."""
    return isinstance(error, _NEVER_CONNECTED)


def described(error: Exception) -> str:
    """A network error in words that may be shown."""
    words = redact(str(error)).strip().rstrip(".")
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
