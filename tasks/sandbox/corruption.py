"""Answers that do not arrive as they should: reset, stalled, cut short, slow.

On a port they happen to the real connection, which `port` puts into the scope. In-process there is
none, so they raise what httpx would raise for it.
"""

from __future__ import annotations

import asyncio
import socket
import struct

import httpx
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

#: Where a scope holds the connection's `asyncio.Transport`; absent in-process.
TRANSPORT = "sandbox.transport"

_SLOW_PIECES = 20
_SLOW_SECONDS = 2.0


def _transport(scope: Scope) -> asyncio.Transport | None:
    transport: asyncio.Transport | None = scope.get(TRANSPORT)
    return transport


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _reset(transport: asyncio.Transport) -> None:
    connection: socket.socket = transport.get_extra_info("socket")
    # Closing with a linger time of zero sends RST instead of FIN.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class Reset(Response):
    """The connection is reset."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Reset the connection."""
        transport = _transport(scope)
        if transport is None:
            raise httpx.ReadError("The connection was reset.")
        _reset(transport)
        await _until_gone(receive)


class Stall(Response):
    """No answer comes; after a long while the connection is reset."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hold the connection, then reset it."""
        transport = _transport(scope)
        if transport is None:
            raise httpx.ReadTimeout("No answer came in time.")
        try:
            async with asyncio.timeout(self._seconds):
                await _until_gone(receive)
        except TimeoutError:
            _reset(transport)
            await _until_gone(receive)


class CutBody(Response):
    """The head of `whole` and half its body, then the connection closes."""

    def __init__(self, whole: Response) -> None:
        super().__init__()
        self._whole = whole

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send half, then close."""
        transport = _transport(scope)
        if transport is None:
            raise httpx.RemoteProtocolError("The connection closed in the middle of the answer.")
        body = bytes(self._whole.body)
        await send(_start(self._whole))
        await send(
            {"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True}
        )
        transport.close()
        await _until_gone(receive)


class SlowBody(Response):
    """All of `whole`, its body in small pieces; in-process at once."""

    def __init__(self, whole: Response) -> None:
        super().__init__()
        self._whole = whole

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send piece by piece."""
        pause = 0.0 if _transport(scope) is None else _SLOW_SECONDS / _SLOW_PIECES
        body = bytes(self._whole.body)
        step = len(body) // _SLOW_PIECES + 1
        await send(_start(self._whole))
        for start in range(0, len(body), step):
            await asyncio.sleep(pause)
            piece = body[start : start + step]
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _start(response: Response) -> Message:
    return {
        "type": "http.response.start",
        "status": response.status_code,
        "headers": response.raw_headers,
    }
