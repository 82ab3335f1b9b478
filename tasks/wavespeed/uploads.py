"""Bringing a local file to the provider's storage: one ticket, one PUT.

Reads the ticket and sends the bytes, from disk in constant memory, with exactly the ticket's
headers and without the key. Never writes to the file.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import httpx

from catalog.values import RefusalKind, UploadTicket
from tasks.crashpoints import crash_point
from tasks.wavespeed.bandwidth import Bandwidth
from tasks.wavespeed.envelope import Answer, Envelope, read_time
from tasks.wavespeed.exchange import described, exchange, never_connected, sender

_BLOCK_BYTES = 512 * 1024
#: A PUT of the same bytes to the same place is the same PUT, so it may be sent again.
_TRIES = 3
#: One day: not a bound on slow lines, only an end. The single block has its own timeout.
_MOST_SECONDS = 86_400.0
_URL = re.compile(r"https?://[^\s/]+\S*", re.IGNORECASE)
_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")


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


class _FileProblem(Exception):
    """The file is not what it was when its ticket was asked for, or cannot be read."""


def neutral_name(filename: str, *, unique: str) -> str:
    """A name that tells nothing of the file but its kind.

    >>> neutral_name("/home/eve/Divorce Hearing.MP4", unique="7f3a")
    '7f3a.mp4'
    """
    suffix = Path(filename).suffix.lower()
    return unique + (suffix if _SUFFIX.fullmatch(suffix) else "")


def read_ticket(envelope: Envelope) -> UploadTicket | None:
    """The ticket; None when the answer holds none that can be used."""
    data = envelope.data
    upload = data.get("upload") if isinstance(data, dict) else None
    if not isinstance(upload, dict) or str(upload.get("method") or "PUT").upper() != "PUT":
        return None
    put_url, download_url = _url(upload.get("url")), _url(data.get("download_url"))
    headers = upload.get("headers") or {}
    if put_url is None or download_url is None or not isinstance(headers, dict):
        return None
    if not all(_can_be_sent(name, value) for name, value in headers.items()):
        return None
    return UploadTicket(
        put_url=put_url,
        headers=dict(headers),
        download_url=download_url,
        expires_at=read_time(upload.get("expires_at")),
    )


async def put_file(
    client: httpx.AsyncClient,
    ticket: UploadTicket,
    path: Path,
    *,
    size: int,
    timeout: httpx.Timeout,  # noqa: ASYNC109  # httpx applies it to each step, not to the whole
    bandwidth: Bandwidth,
) -> PutOutcome:
    """Send the file's `size` bytes; `client` must not carry a key.

    A lost answer is asked for again with the same PUT. Storage that then says 412 (there is
    something already) has it from the first time. 412 at once means that somebody else used the
    address.
    """
    lost: str | None = None
    reason = ""
    for _ in range(_TRIES):
        try:
            crash_point("put: before request")
            answer = await _put_once(
                client, ticket, path, size=size, timeout=timeout, bandwidth=bandwidth
            )
            crash_point("put: after request")
        except _FileProblem as problem:
            return NotStored(kind=RefusalKind.PLACE, reason=str(problem))
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


async def _put_once(
    client: httpx.AsyncClient,
    ticket: UploadTicket,
    path: Path,
    *,
    size: int,
    timeout: httpx.Timeout,  # noqa: ASYNC109  # httpx applies it to each step, not to the whole
    bandwidth: Bandwidth,
) -> Answer:
    try:
        file = await asyncio.to_thread(path.open, "rb")
    except OSError as error:
        raise _FileProblem(f"The file cannot be read: {error.strerror}.") from error
    try:
        found = os.fstat(file.fileno()).st_size
        if found != size:
            raise _FileProblem(f"The file has {found} bytes now instead of {size}.")
        request = client.build_request(
            "PUT",
            ticket.put_url,
            headers={**ticket.headers, "Content-Length": str(size)},
            content=_blocks(file, size, bandwidth),
            timeout=timeout,
        )
        return await exchange(sender(client), request, seconds=_MOST_SECONDS)
    finally:
        await asyncio.to_thread(file.close)


async def _blocks(file: BinaryIO, size: int, bandwidth: Bandwidth) -> AsyncIterator[bytes]:
    left = size
    while left:
        try:
            block = await asyncio.to_thread(file.read, min(_BLOCK_BYTES, left))
        except OSError as error:
            raise _FileProblem(f"The file cannot be read: {error.strerror}.") from error
        if not block:
            raise _FileProblem("The file became shorter while it was uploaded.")
        left -= len(block)
        await bandwidth.take(len(block))
        yield block


def _can_be_sent(name: str, value: object) -> bool:
    if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
        return False
    return _HEADER_NAME.fullmatch(name) is not None


def _url(value: object) -> str | None:
    return value if isinstance(value, str) and _URL.fullmatch(value) else None
