"""Bringing a local file to the provider's storage: one ticket, one PUT.

Sends the bytes from disk in constant memory. A ticket makes this machine send a film to an address
that others chose, so it is judged before: no internal host, no plain HTTP where the API is not
plain itself, no password, and no header that would speak for somebody or change what is sent.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import httpx

from catalog.values import RefusalKind, UploadTicket
from tasks.foundation.crashpoints import crash_point
from tasks.network.connections import HostRefused, require_allowed
from tasks.network.hosts import HostRule
from tasks.storage.errors import StoreError
from tasks.storage.local import LocalFile, LocalReader
from tasks.storage.uris import file_uri
from tasks.wavespeed.connection import Bandwidth
from tasks.wavespeed.errors import UploadRefused
from tasks.wavespeed.exchange import described, exchange, never_connected, sender
from tasks.wavespeed.wire import Answer, Envelope, read_time

_URL = re.compile(r"https?://[^\s/]+\S*", re.IGNORECASE)
_MOST_URL = 8192
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]{0,4096}")
_MOST_HEADERS = 64
#: Of the connection and not of the file, or of who speaks and how: never a ticket's to say.
_FORBIDDEN = frozenset(
    {
        *("connection", "keep-alive", "host", "te", "trailer", "transfer-encoding", "upgrade"),
        *("expect", "http2-settings", "accept-encoding", "content-range"),
        *("cookie", "cookie2", "set-cookie", "x-api-key", "api-key", "x-auth-token", "forwarded"),
        *("x-http-method", "x-http-method-override", "x-method-override", "via", "origin"),
    }
)
_FORBIDDEN_BEGINNINGS = ("proxy-", "sec-", "x-forwarded-", "www-authenticate")
_FORBIDDEN_PARTS = ("authorization", "authentication")


def read_ticket(envelope: Envelope, *, size: int, base: str, rule: HostRule) -> UploadTicket:
    """The ticket for a file of `size` bytes, from the API at `base`.

    Raises `UploadRefused` when the answer holds none that may be used.
    """
    data = envelope.data
    upload = data.get("upload") if isinstance(data, dict) else None
    if not isinstance(upload, dict) or str(upload.get("method") or "PUT").upper() != "PUT":
        raise _refused("makes no sense")
    put_url, download_url = _url(upload.get("url")), _url(data.get("download_url"))
    headers = upload.get("headers") or {}
    if put_url is None or download_url is None or not isinstance(headers, dict):
        raise _refused("makes no sense")
    for url in (put_url, download_url):
        try:
            require_allowed(url, rule)
        except HostRefused as error:
            raise _refused(f"was not used: {error}") from None
        if base.startswith("https:") and url.scheme != "https":
            raise _refused("was not used: the address is not encrypted, and the API's is")
    return UploadTicket(
        put_url=upload["url"],
        headers=_sendable(headers, size),
        download_url=data["download_url"],
        expires_at=read_time(upload.get("expires_at")),
    )


def _sendable(headers: dict[str, object], size: int) -> dict[str, str]:
    """The headers as they are sent; the length, which is known here, is left out."""
    kept: dict[str, str] = {}
    for name, value in headers.items():
        if (
            not isinstance(value, str)
            or not _HEADER_NAME.fullmatch(name)
            or not _HEADER_VALUE.fullmatch(value)
        ):
            raise _refused("makes no sense")
        spelled = name.lower()
        if spelled == "content-length" and value.strip() == str(size):
            continue
        if spelled == "content-length" or _is_forbidden(spelled):
            raise _refused(f"was not used: it wants the header {name} to be sent")
        kept[name] = value
    if len({name.lower() for name in kept}) != len(kept) or len(kept) > _MOST_HEADERS:
        raise _refused("makes no sense")
    return kept


def _is_forbidden(name: str) -> bool:
    return (
        name in _FORBIDDEN
        or name.startswith(_FORBIDDEN_BEGINNINGS)
        or any(part in name for part in _FORBIDDEN_PARTS)
    )


def _url(value: object) -> httpx.URL | None:
    if not isinstance(value, str) or len(value) > _MOST_URL or not _URL.fullmatch(value):
        return None
    try:
        return httpx.URL(value)
    except httpx.InvalidURL:
        return None


def _refused(what: str) -> UploadRefused:
    return UploadRefused(f"its ticket {what}. Try again later.", kind=RefusalKind.PACE)


_BLOCK_BYTES = 512 * 1024
#: A PUT of the same bytes to the same place is the same PUT, so it may be sent again.
_TRIES = 3
#: One day: not a bound on slow lines, only an end. The single block has its own timeout.
_MOST_SECONDS = 86_400.0
_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """The provider can read the file at the ticket's `download_url`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NotStored:
    """Certainly not there.

    `ITEM`: this file is the reason, for good; `PLACE`: it cannot be read or stored now; `PACE`: a
    new ticket may do.
    """

    kind: RefusalKind
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PerhapsStored:
    """No answer was to be had. Nothing is owed: take a new ticket, and never use this one's URL."""

    reason: str


PutOutcome = Stored | NotStored | PerhapsStored

#: Opens the file to be sent, in a thread; raises StoreError.
Opening: TypeAlias = Callable[[], LocalFile]


def neutral_name(filename: str, *, unique: str) -> str:
    """A name that tells nothing of the file but its kind.

    >>> neutral_name("/home/eve/Divorce Hearing.MP4", unique="7f3a")
    '7f3a.mp4'
    """
    suffix = Path(filename).suffix.lower()
    return unique + (suffix if _SUFFIX.fullmatch(suffix) else "")


async def put_file(
    client: httpx.AsyncClient,
    ticket: UploadTicket,
    source: Path | Opening,
    *,
    size: int,
    timeout: httpx.Timeout,  # noqa: ASYNC109  # httpx applies it to each step, not to the whole
    bandwidth: Bandwidth,
) -> PutOutcome:
    """Send the `size` bytes of a file, or of what `source` opens; `client` must not carry a key.

    A lost answer is asked for again with the same PUT. Storage that then says 412 (there is
    something already) has it from the first time. 412 at once means that somebody else used the
    address.
    """
    opening = partial(_open_named, source, size) if isinstance(source, Path) else source
    try:
        with await asyncio.to_thread(opening) as file:
            outcome = await _put(
                client, ticket, file, size=size, timeout=timeout, bandwidth=bandwidth
            )
            if isinstance(outcome, Stored):
                file.require_unchanged()
    except StoreError as error:
        return NotStored(kind=RefusalKind.PLACE, reason=f"The file was not sent: {error.reason}.")
    return outcome


def _open_named(path: Path, size: int) -> LocalFile:
    return LocalReader().open(file_uri(path.absolute()), size=size)


async def _put(
    client: httpx.AsyncClient,
    ticket: UploadTicket,
    file: LocalFile,
    *,
    size: int,
    timeout: httpx.Timeout,  # noqa: ASYNC109  # httpx applies it to each step, not to the whole
    bandwidth: Bandwidth,
) -> PutOutcome:
    lost: str | None = None
    reason = ""
    for _ in range(_TRIES):
        try:
            request = client.build_request(
                "PUT",
                ticket.put_url,
                headers={**ticket.headers, "Content-Length": str(size)},
                content=_blocks(file, size, bandwidth),
                timeout=timeout,
            )
            crash_point("put: before request")
            answer = await exchange(sender(client), request, seconds=_MOST_SECONDS)
            crash_point("put: after request")
        except HostRefused as refused:
            return NotStored(kind=RefusalKind.PACE, reason=f"The ticket was not used: {refused}.")
        except httpx.InvalidURL:
            return NotStored(kind=RefusalKind.PACE, reason="The ticket's address is none.")
        except (httpx.HTTPError, OSError) as error:
            reason = described(error)
            lost = lost if never_connected(error) else reason
            continue
        outcome = _judge(answer, answer_lost_before=lost is not None)
        if outcome is not None:
            return outcome
        reason = f"storage answers HTTP {answer.status_code}"
        lost = reason if answer.status_code >= 500 else lost
    if lost is not None:
        return PerhapsStored(reason=f"The upload's outcome is unknown: {lost}.")
    return NotStored(kind=RefusalKind.PACE, reason=f"The upload did not get through: {reason}.")


def _judge(answer: Answer, *, answer_lost_before: bool) -> PutOutcome | None:
    """What storage's answer means; None when the PUT is worth sending again."""
    status = answer.status_code
    if 200 <= status < 300 or (status == 412 and answer_lost_before):
        return Stored()
    if status in {408, 425, 429} or status >= 500:
        return None
    if status in {413, 415}:
        kind = RefusalKind.ITEM
    else:  # under 400 storage also says that a ticket has expired or that it was too slow
        kind = RefusalKind.PLACE if status in {400, 411} else RefusalKind.PACE
    return NotStored(kind=kind, reason=f"Storage refuses the file (HTTP {status}).")


async def _blocks(file: LocalFile, size: int, bandwidth: Bandwidth) -> AsyncIterator[bytes]:
    file.seek(0)
    left = size
    while left:
        block = await asyncio.to_thread(file.read, min(_BLOCK_BYTES, left))
        left -= len(block)
        await bandwidth.take(len(block))
        yield block
