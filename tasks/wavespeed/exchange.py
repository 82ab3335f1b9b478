"""One request and its answer: sent once, read up to a size and a deadline, errors in words.

A submission may turn out not to be wanted while it waits for other requests; it is then withheld.
"""

from __future__ import annotations

import asyncio
import functools
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from catalog.values import Refused
from tasks.foundation.redaction import redact
from tasks.wavespeed.wire import MOST_BODY_BYTES, Answer


class Withheld(Exception):
    """A submission is not to be sent after all."""

    def __init__(self, refusal: Refused) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


#: Called when nothing is left to wait for before a request; raises `Withheld` if none is to be.
Check = Callable[[], None]


def send() -> None:
    """Withhold nothing."""


#: Under this name a request carries its check to the transport.
CHECK = "check"
#: What httpx's own transport names the moment in which the first byte is about to go.
_ABOUT_TO_SEND = "send_request_headers.started"


def before_sending(check: Check) -> dict[str, Any]:
    """Make a request's extensions that call `check` once it has a connection.

    Connecting takes time, in which a process may be stopped.
    """

    async def trace(event: str, _info: dict[str, Any]) -> None:
        if event.endswith(_ABOUT_TO_SEND):
            check()

    return {CHECK: check, "trace": trace}


#: These are raised before the first byte of the request itself is on its way.
_NEVER_CONNECTED = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)

#: Tells zlib to expect the header of a gzip.
_GZIP = 16 + zlib.MAX_WBITS

#: Sends one request once, and gives the answer as soon as its headers are there.
Sender = Callable[[httpx.Request], Awaitable[httpx.Response]]


def sender(client: httpx.AsyncClient) -> Sender:
    """Send requests as they are: no redirect is followed, and bodies are read later."""
    return functools.partial(client.send, stream=True, follow_redirects=False)


async def exchange(send: Sender, request: httpx.Request, *, seconds: float) -> Answer:
    """Send the request and read its answer, up to `MOST_BODY_BYTES` and so many seconds in all.

    The limit is of what came as well as of what that unpacks to. One gzip is unpacked; an answer
    that is packed otherwise, or more than once, is not read.

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
            cut = await _read_into(body, response)
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


async def _read_into(body: bytearray, response: httpx.Response) -> str | None:
    """Read an answer's body as far as the limit allows, and say what it lacks."""
    names = response.headers.get("Content-Encoding", "").lower().split(",")
    packed = [name.strip() for name in names if name.strip() not in {"", "identity"}]
    if packed not in ([], ["gzip"], ["x-gzip"]):
        return "is packed in a way that was not asked for"
    unpack = zlib.decompressobj(_GZIP) if packed else None
    came = 0
    async for block in response.aiter_raw():
        came += len(block)
        room = MOST_BODY_BYTES + 1 - len(body)
        try:
            body += block[:room] if unpack is None else unpack.decompress(block, room)
        except zlib.error:
            return "is not the gzip that it is said to be"
        if max(came, len(body)) > MOST_BODY_BYTES:
            return f"is longer than {MOST_BODY_BYTES} bytes"
    return "ended early (inside its gzip)" if came and unpack and not unpack.eof else None


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
