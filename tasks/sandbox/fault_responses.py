"""What faults do to an answer: reset, stalled, cut short, slow, or with broken bytes.

On a port they happen to the real connection, which `server` puts into the scope. In-process there
is none, so they raise what httpx would raise for it.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from tasks.sandbox.faults import Fault
from tasks.sandbox.options import SandboxOptions
from tasks.sandbox.wire import Refusal, bare, gateway_page, reply

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


_HTML = "<!doctype html><html><body>We will be right back.</body></html>"
_DATA_NULL = {"code": 200, "message": "success", "data": None}
_GATEWAY_LIMIT = {"message": "API rate limit exceeded"}
_GATEWAY_KEY = {"error": {"status": 401, "message": "Unauthorized"}}
_CODE_5003 = {"code": 5003, "message": "service unavailable", "data": None}

_ERRORS = {
    Fault.SUBMIT_400: (400, 'field "video" must be a valid URL'),
    Fault.SUBMIT_401: (401, "invalid api key"),
    Fault.SUBMIT_402: (402, "insufficient credits, please top up"),
    Fault.SUBMIT_403_CREDIT: (403, "insufficient balance, please top up"),
    Fault.SUBMIT_404: (404, "model not found"),
    Fault.SUBMIT_413: (413, "request entity too large"),
    Fault.SUBMIT_429: (429, "too many requests"),
    Fault.SUBMIT_503: (503, "service unavailable"),
    Fault.SUBMIT_DROPPED_500: (500, "internal server error"),
    Fault.POLL_429: (429, "too many requests"),
    Fault.POLL_500: (500, "internal server error"),
    Fault.POLL_503: (503, "service unavailable"),
    Fault.POLL_404: (404, "Prediction not found"),
    Fault.LIST_429: (429, "too many requests"),
    Fault.LIST_500: (500, "internal server error"),
    Fault.BILLING_429: (429, "too many requests"),
    Fault.BILLING_500: (500, "internal server error"),
    Fault.BALANCE_404: (404, "not found"),
    Fault.BALANCE_500: (500, "internal server error"),
    Fault.PRICE_404: (404, "not found"),
    Fault.PRICE_400: (400, "invalid inputs"),
    Fault.TICKET_429: (429, "Upload quota exceeded"),
    Fault.TICKET_413: (413, "file too large"),
    Fault.TICKET_500: (500, "internal server error"),
    Fault.PUT_500: (500, "internal error"),
}

_PAGES = {
    Fault.SUBMIT_DROPPED_502: (502, "Bad Gateway"),
    Fault.SUBMIT_DROPPED_403: (403, "Forbidden"),
    Fault.SUBMIT_DROPPED_503: (503, "Service Temporarily Unavailable"),
    Fault.SUBMIT_DROPPED_504: (504, "Gateway Time-out"),
    Fault.SUBMIT_DROPPED_401: (401, "Authorization Required"),
    Fault.POLL_502: (502, "Bad Gateway"),
    Fault.POLL_504: (504, "Gateway Time-out"),
}

_RESETS = frozenset(
    {
        Fault.SUBMIT_DROPPED_RESET,
        Fault.POLL_RESET,
        Fault.LIST_RESET,
        Fault.TICKET_RESET,
        Fault.PUT_RESET,
    }
)
_STALLS = frozenset({Fault.SUBMIT_DROPPED_STALL, Fault.POLL_STALL})


def instead(fault: Fault, options: SandboxOptions, date: datetime) -> Response | None:
    """Give the answer that takes the place of the right one; None if this fault works otherwise.

    `date` is the time of the answer.
    """
    if fault in _ERRORS:
        return _error(*_ERRORS[fault])
    if fault in _PAGES:
        return gateway_page(*_PAGES[fault])
    if fault in _RESETS:
        return Reset()
    if fault in _STALLS:
        return Stall(options.stall_seconds)
    if fault is Fault.SUBMIT_429_DATE:
        then = date + timedelta(seconds=options.retry_after_seconds)
        return _slow_down(format_datetime(then, usegmt=True))
    special = _SPECIAL.get(fault)
    return None if special is None else special(options.retry_after_seconds)


def _error(status: int, message: str, **more: Any) -> Response:
    return Refusal(status, message, reason="fault", **more).response()


def _slow_down(retry_after: str) -> Response:
    return _error(429, "too many requests", headers={"Retry-After": retry_after})


def storage_error(status: int, code: str, message: str) -> Response:
    """Answer as object storage does: XML, no envelope."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Response(body, status, media_type="application/xml")


def _page() -> Response:
    return Response(_HTML, media_type="text/html")


def _nothing() -> Response:
    return Response(b"", media_type="application/json")


_SPECIAL: dict[Fault, Callable[[int], Response]] = {
    Fault.SUBMIT_400_CREDIT: lambda _: _error(400, "insufficient credits", code=1407),
    Fault.SUBMIT_403: lambda _: _error(
        403, "api key lacks permission", error_code="PERMISSION_DENIED"
    ),
    Fault.SUBMIT_429_SECONDS: lambda seconds: _slow_down(str(seconds)),
    Fault.SUBMIT_DROPPED_429: lambda _: bare(429, _GATEWAY_LIMIT),
    Fault.SUBMIT_DROPPED_CODE_5003: lambda _: reply(_CODE_5003),
    Fault.POLL_429_SECONDS: lambda seconds: _slow_down(str(seconds)),
    Fault.POLL_CODE_5003: lambda _: reply(_CODE_5003),
    Fault.POLL_HTML: lambda _: _page(),
    Fault.POLL_TOO_LONG: lambda _: reply(_DATA_NULL | {"message": "long " * 1_000_000}),
    Fault.POLL_EMPTY: lambda _: _nothing(),
    Fault.POLL_DATA_NULL: lambda _: reply(_DATA_NULL),
    Fault.LIST_DATA_NULL: lambda _: reply(_DATA_NULL),
    Fault.PUT_403: lambda _: storage_error(403, "AccessDenied", "Request has expired"),
    Fault.PUT_412: lambda _: storage_error(412, "PreconditionFailed", "The object exists"),
}


def _cut_json(whole: Response) -> Response:
    body = bytes(whole.body)
    return Response(body[: len(body) // 2], media_type="application/json")


def _without_id() -> Response:
    return reply(_DATA_NULL | {"data": {"status": "created", "outputs": []}})


_SPOILERS: dict[Fault, Callable[[Response], Response]] = {
    Fault.SUBMIT_LOST_RESET: lambda _: Reset(),
    Fault.SUBMIT_LOST_400: lambda _: gateway_page(400, "Bad Request"),
    Fault.SUBMIT_LOST_401: lambda _: bare(401, _GATEWAY_KEY),
    Fault.SUBMIT_LOST_402: lambda _: bare(402),
    Fault.SUBMIT_LOST_403: lambda _: gateway_page(403, "Forbidden"),
    Fault.SUBMIT_LOST_404: lambda _: gateway_page(404, "Not Found"),
    Fault.SUBMIT_LOST_413: lambda _: gateway_page(413, "Request Entity Too Large"),
    Fault.SUBMIT_LOST_429: lambda _: bare(429, _GATEWAY_LIMIT),
    Fault.SUBMIT_LOST_503: lambda _: bare(503),
    Fault.SUBMIT_LOST_500: lambda _: _error(500, "internal server error"),
    Fault.SUBMIT_LOST_502: lambda _: gateway_page(502, "Bad Gateway"),
    Fault.SUBMIT_LOST_504: lambda _: gateway_page(504, "Gateway Time-out"),
    Fault.SUBMIT_LOST_CUT_BODY: CutBody,
    Fault.SUBMIT_LOST_CUT_JSON: _cut_json,
    Fault.SUBMIT_LOST_HTML: lambda _: _page(),
    Fault.SUBMIT_LOST_EMPTY: lambda _: _nothing(),
    Fault.SUBMIT_LOST_DATA_NULL: lambda _: reply(_DATA_NULL),
    Fault.SUBMIT_LOST_NO_ID: lambda _: _without_id(),
    Fault.SUBMIT_LOST_503_JSON: lambda _: reply(
        {"code": 503, "message": "no healthy upstream"}, status=503
    ),
    Fault.SUBMIT_LOST_503_DATA: lambda whole: Response(
        bytes(whole.body), 503, media_type="application/json"
    ),
    Fault.POLL_CUT_BODY: CutBody,
    Fault.POLL_CUT_JSON: _cut_json,
    Fault.POLL_SLOW_BODY: SlowBody,
    Fault.PUT_LOST_RESET: lambda _: Reset(),
}
_LATE_STALLS = frozenset({Fault.SUBMIT_LOST_STALL, Fault.PUT_LOST_STALL})

#: After these the client cannot know that its submission was accepted.
LOST_ANSWERS = frozenset(fault for fault in Fault if fault.startswith("submit-lost-"))


def spoiled(fault: Fault, whole: Response, options: SandboxOptions) -> Response:
    """Give what arrives of `whole`."""
    if fault in _LATE_STALLS:
        return Stall(options.stall_seconds)
    spoil = _SPOILERS.get(fault)
    return whole if spoil is None else spoil(whole)
