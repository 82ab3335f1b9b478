"""Pings: telling a dead-man's switch that a run began, was done, or failed.

Such a switch (healthchecks.io, or what is made like it) is an address that raises an alarm when it
is not asked for too long. The address is a secret: who knows it can keep the alarm from sounding.
So it is in no log line, and httpx's client, which logs addresses, is not used.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import threading
from urllib.parse import urlsplit, urlunsplit

import httpx
from pydantic import SecretStr
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from tasks.foundation.events import logger
from tasks.network.connections import timed_by, trusted, within
from tasks.network.proxies import ProxiedTransport

#: So long may one ping take in all, and a run wait for it.
_SECONDS = 4.0
_TRIES = 3
_PAUSE_SECONDS = 0.5


class Ping(enum.Enum):
    """What is told; the value is what follows the address."""

    START = "/start"
    SUCCESS = ""
    FAILURE = "/fail"


class _Unheard(Exception):
    """The switch did not take it."""


async def ping(address: SecretStr, what: Ping, *, seconds: float = _SECONDS) -> None:
    """Tell it; what goes wrong is logged, and nothing else.

    A name that is looked up for long would keep the event loop's own threads, so this has one that
    nobody waits for.
    """
    loop = asyncio.get_running_loop()
    sent: asyncio.Future[str | None] = loop.create_future()

    def settle(trouble: str | None) -> None:
        if not sent.done():
            sent.set_result(trouble)

    def work() -> None:
        trouble = _send(address.get_secret_value(), what, seconds)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, trouble)

    threading.Thread(target=work, name="ping", daemon=True).start()
    try:
        async with asyncio.timeout(seconds):
            trouble = await sent
    except TimeoutError:
        trouble = "no answer in time"
    if trouble is not None:
        logger.warning("ping.failed", what=what.name.lower(), reason=trouble)


def _send(address: str, what: Ping, seconds: float) -> str | None:
    """Send it; gives why it did not arrive, without the address. None if it did."""
    tries = Retrying(
        retry=retry_if_exception_type((_Unheard, httpx.TransportError)),
        stop=stop_after_attempt(_TRIES),
        wait=wait_fixed(_PAUSE_SECONDS),
        reraise=True,
    )
    try:
        with within(seconds):
            tries(_ask, address_of(address, what))
    except _Unheard as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - whatever it is, it concerns no run
        return type(error).__name__
    return None


def _ask(address: str) -> None:
    with contextlib.closing(ProxiedTransport(trusted(), prepare=timed_by(None))) as transport:
        request = httpx.Request("GET", address, headers={"User-Agent": "reelcat"})
        request.extensions["timeout"] = httpx.Timeout(_SECONDS).as_dict()
        answer = transport.handle_request(request)
        answer.close()
    if not answer.is_success:
        raise _Unheard(f"it answered {answer.status_code}")


def address_of(address: str, what: Ping) -> str:
    """Give the address that tells it.

    >>> address_of("https://hc.example/0a1b/?create=1", Ping.START)
    'https://hc.example/0a1b/start?create=1'
    """
    parts = urlsplit(address)
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + what.value))
