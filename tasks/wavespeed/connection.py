"""HTTP to the provider: who gets the key, how many requests are open, how long one may take.

Owns two httpx clients. The one with the key speaks to the API's own origin and follows no redirect;
the other one has no key and speaks to storage.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import json
import ssl
from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from typing import Any
from urllib.parse import urlsplit

import httpx
from aiolimiter import AsyncLimiter
from pydantic import SecretStr
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from catalog.errors import ProviderUnreadable, SettingsError
from tasks.foundation.crashpoints import crash_point
from tasks.foundation.redaction import guard_http_logs, remember_secret
from tasks.network.connections import checked_by, trusted
from tasks.network.hosts import HostRule
from tasks.network.proxies import AsyncProxiedTransport
from tasks.wavespeed.clock import ProviderClock
from tasks.wavespeed.errors import Troubled
from tasks.wavespeed.exchange import (
    Check,
    before_sending,
    can_be_reached,
    described,
    exchange,
    send,
    sender,
)
from tasks.wavespeed.outcomes import open_envelope
from tasks.wavespeed.transport import AiohttpTransport, is_proxied
from tasks.wavespeed.wire import Answer, Envelope


def checked_key(api_key: SecretStr) -> str:
    """The key without surrounding blanks; raises `SettingsError` if no header can carry it."""
    key = api_key.get_secret_value().strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise SettingsError(
            "WAVESPEED_API_KEY is empty or holds characters that no key has; set it again."
        )
    return key


def account_of(api_key: SecretStr) -> str:
    """Tell keys apart: a digest from which the key cannot be found, because keys are random."""
    key = api_key.get_secret_value().encode()
    return hashlib.blake2b(key, digest_size=8, person=b"reelcat").hexdigest()


class KeyForOneOrigin(httpx.Auth):
    """Adds the key to requests to the API's own origin and to no other."""

    def __init__(self, api_key: SecretStr, base: str) -> None:
        self._api_key = api_key
        self._origin = _origin(httpx.URL(base))

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the key, or do not."""
        if _origin(request.url) == self._origin:
            request.headers["Authorization"] = f"Bearer {self._api_key.get_secret_value()}"
        yield request


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


#: A wait is not longer than a second's worth, so that a slow line goes evenly.
_SECONDS = 1.0


class Bandwidth:
    """Shared by all uploads of one process; without a number nothing is held back."""

    def __init__(self, bytes_per_second: float | None) -> None:
        self._most = bytes_per_second
        self._limiter = (
            None if bytes_per_second is None else AsyncLimiter(bytes_per_second, _SECONDS)
        )

    async def take(self, count: int) -> None:
        """Wait until so many bytes may be sent."""
        if self._limiter is None or self._most is None:
            return
        left = float(count)
        while left > 0:
            part = min(left, self._most)
            await self._limiter.acquire(part)
            left -= part


_Body = Mapping[str, Any] | None

_JSON = (b"Content-Type", b"application/json")

#: httpx's own pool, which is used through proxies, costs CPU with every open request.
_STOCK_OPEN = 32

_QUESTIONS = {
    "/api/v3/predictions": "list",
    "/api/v3/media/uploads": "ticket",
    "/api/v3/billings/search": "bill",
    "/api/v3/model/price": "price",
    "/api/v3/balance": "balance",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How much at once and how long; the defaults are for production."""

    #: Enough for the highest tier where the provider takes a quarter of a second to answer.
    open_requests: int = 128
    open_uploads: int = 4
    connect_seconds: float = 10.0
    #: A submission's outcome is worth waiting for: giving up makes it uncertain.
    submit_read_seconds: float = 60.0
    read_seconds: float = 30.0
    #: One block of an upload, and storage's answer after the last one.
    upload_seconds: float = 120.0
    #: All uploads together; None is as fast as the line is.
    upload_bytes_per_second: float | None = None
    #: Servers close idle connections after 5 s and more. A request sent into a closing one is lost
    #: and, if it was a submission, uncertain: so idle connections are given up first.
    keepalive_seconds: float = 4.0
    #: Tries of a read, the first one included.
    tries: int = 5
    #: First wait between two tries, at random up to this long; it doubles up to `most_backoff`.
    backoff_seconds: float = 0.5
    most_backoff_seconds: float = 20.0
    #: A longer wait is not worth it inside one call.
    most_wait_seconds: float = 60.0


class Connection:
    """The way to one provider, for one key. Closed by `aclose`."""

    def __init__(
        self,
        *,
        base_url: str,
        api_key: SecretStr,
        limits: Limits,
        now: Callable[[], datetime],
        uptime: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        transport: httpx.AsyncBaseTransport | None,
    ) -> None:
        key = checked_key(api_key)
        #: The provider's time, as its answers tell it.
        self.clock = ProviderClock(now, uptime)
        self.base = checked_base(base_url)
        self._limits = limits
        self._sleep = sleep
        open_requests = limits.open_requests
        to_api = transport
        if transport is None and self.base.startswith("https:"):
            trusted()  # says what is wrong with it before anything is bought
        if transport is None and is_proxied(self.base):
            open_requests = min(open_requests, _STOCK_OPEN)
        elif transport is None:
            to_api = AiohttpTransport(
                most_connections=open_requests,
                keepalive_seconds=limits.keepalive_seconds,
                tls=trusted(),
            )
        self._gate = asyncio.Semaphore(open_requests)
        self.upload_gate = asyncio.Semaphore(limits.open_uploads)
        self.bandwidth = Bandwidth(limits.upload_bytes_per_second)
        remember_secret(key)
        guard_http_logs()
        self._keyed = _client(limits, to_api, open_requests=open_requests)
        self._keyed.headers.update(_client_headers())
        self._keyed.auth = KeyForOneOrigin(SecretStr(key), self.base)
        self._send = sender(self._keyed)
        if isinstance(to_api, AiohttpTransport):
            # Cookies, redirects and hooks, which a client looks after, cost a fifth and are not
            # used here. Every request goes to the key's own origin.
            self._keyed.headers["Authorization"] = f"Bearer {key}"
            self._send = to_api.handle_async_request
        #: Where addresses may lead that the provider names; a `transport` leads nowhere.
        self.hosts = HostRule.next_to(httpx.URL(self.base).raw_host.decode())
        #: For storage: no key, no header that names us.
        self.keyless = _client(
            limits, transport, open_requests=2 * limits.open_uploads, rule=self.hosts
        )
        self.keyless.headers["Accept-Encoding"] = "identity"

    async def aclose(self) -> None:
        """Close all connections; what is under way ends with an error."""
        await self._keyed.aclose()
        await self.keyless.aclose()

    async def ask(
        self, method: str, path: str, body: _Body = None, *, seconds: float, check: Check = send
    ) -> Answer:
        """Send one request once, with the key, and read what comes back.

        `path` is below the base URL. `check` is called when nothing is left to wait for, and once
        more when the connection is there and the first byte is about to go; it may raise.

        Raises `httpx.HTTPError` or `OSError` when not even a status came back; a body that ends
        early is an `Answer` with `cut`.
        """
        headers = self._keyed.headers.raw
        request = httpx.Request(
            method,
            _url(f"{self.base}{path}"),
            content=None if body is None else _encoded(body),
            headers=headers if body is None else [*headers, _JSON],
            extensions={
                "timeout": _timeout(self._limits, seconds).as_dict(),
                **({} if check is send else before_sending(check)),
            },
        )
        # Later than any single step's timeout, which tells more of what happened.
        deadline = self._limits.connect_seconds + 2 * seconds
        async with self._gate:
            check()
            crash_point(f"{_question(path)}: before request")
            asked = self.clock.instant()
            answer = await exchange(self._send, request, seconds=deadline)
            self.clock.saw_date(answer.headers.get("date"), asked=asked)
            crash_point(f"{_question(path)}: after request")
            return answer

    async def read(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Envelope:
        """Ask what may be asked again, with bounded tries, and open the answer.

        Raises `AccountStopped`, `EndpointAbsent`, `RequestRejected`, or, when no try brought an
        answer, `ProviderUnreadable`.
        """
        tries = AsyncRetrying(
            retry=retry_if_exception_type(Troubled),
            stop=stop_after_attempt(self._limits.tries),
            wait=self._wait,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return await tries(self._read_once, method, path, body)
        except Troubled as trouble:
            raise ProviderUnreadable(
                f"The provider gave no usable answer to {method} {path} in {self._limits.tries} "
                f"tries ({trouble.reason}). Try again later."
            ) from trouble

    async def _read_once(self, method: str, path: str, body: Mapping[str, Any] | None) -> Envelope:
        try:
            answer = await self.ask(method, path, body, seconds=self._limits.read_seconds)
        except (httpx.HTTPError, OSError) as error:
            raise Troubled(described(error)) from error
        return open_envelope(answer, now=self.clock())

    def _wait(self, state: RetryCallState) -> float:
        backoff = wait_random_exponential(
            multiplier=self._limits.backoff_seconds, max=self._limits.most_backoff_seconds
        )(state)
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after_seconds if isinstance(error, Troubled) else None
        return min(max(backoff, asked or 0.0), self._limits.most_wait_seconds)


def checked_base(base_url: str) -> str:
    """The base URL in its one spelling, without a trailing slash or `/api/v3`.

    Scheme and host are lower case and a usual port is left out, so that predictions which were sent
    to one spelling are collected through another. Raises `SettingsError` if it is none.
    """
    try:
        parts = urlsplit(base_url.strip())
        sound = parts.scheme in {"http", "https"} and can_be_reached(httpx.URL(base_url.strip()))
    except (ValueError, httpx.InvalidURL):
        sound = False
    if not sound or parts.query or parts.fragment or "@" in parts.netloc:
        raise SettingsError(
            "WAVESPEED_BASE_URL is not an address of the form https://host[:port]; correct it."
        )
    spelled = str(httpx.URL(base_url.strip()))
    return spelled.rstrip("/").removesuffix("/api/v3").rstrip("/")


@functools.lru_cache(maxsize=16_384)
def _url(address: str) -> httpx.URL:
    """Take an address apart; one prediction is asked for several times."""
    return httpx.URL(address)


def _client(
    limits: Limits,
    transport: httpx.AsyncBaseTransport | None,
    *,
    open_requests: int,
    rule: HostRule | None = None,
) -> httpx.AsyncClient:
    most = httpx.Limits(
        max_connections=open_requests,
        max_keepalive_connections=open_requests,
        keepalive_expiry=limits.keepalive_seconds,
    )
    return httpx.AsyncClient(
        transport=transport
        or AsyncProxiedTransport(
            trusted(), most, prepare=None if rule is None else checked_by(rule)
        ),
        verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),  # not used: the transport has its own
        trust_env=False,
        http2=False,
        follow_redirects=False,
        timeout=_timeout(limits, limits.read_seconds),
    )


def _timeout(limits: Limits, seconds: float) -> httpx.Timeout:
    # The gate bounds open requests, so the pool always has room and waiting for it needs no bound.
    return httpx.Timeout(seconds, connect=limits.connect_seconds, pool=None)


def _client_headers() -> dict[str, str]:
    version = metadata.version("reelcat")
    return {
        # The only packing that is undone, piece by piece, so that little cannot become endless.
        "Accept-Encoding": "gzip",
        "User-Agent": f"reelcat/{version}",
        "X-Client-Name": "reelcat",
        "X-Client-Version": version,
    }


def _encoded(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


def _question(path: str) -> str:
    """Name what a request asks, for people."""
    return "poll" if path.endswith("/result") else _QUESTIONS.get(path, "submit")
