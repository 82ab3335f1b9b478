"""Bringing a local file to the provider's storage: one ticket, one PUT.

Sends the bytes, from disk in constant memory, with exactly the ticket's headers and without the
key. Never writes to the file. The file is opened once; what was opened is sent, and counts as
stored only if nobody wrote to it meanwhile.
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
from tasks.checked_connections import HostRefused
from tasks.crashpoints import crash_point
from tasks.storage.errors import StoreError
from tasks.storage.local import LocalFile, LocalReader
from tasks.storage.uris import file_uri
from tasks.wavespeed.bandwidth import Bandwidth
from tasks.wavespeed.envelope import Answer
from tasks.wavespeed.exchange import described, exchange, never_connected, sender

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
