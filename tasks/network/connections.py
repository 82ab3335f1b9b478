"""Connections to hosts that strangers name, made only to an address that was judged.

Whom to trust is said by the authorities' certificates that the environment names, or by the usual
ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import httpcore
import httpx

from catalog.errors import SettingsError
from tasks.network.hosts import HostRule

_FILE, _FOLDER = "SSL_CERT_FILE", "SSL_CERT_DIR"


@functools.cache
def trusted() -> ssl.SSLContext:
    """Give whom to trust; read once, because it takes longer than making a client.

    Raises:
        SettingsError: the environment names a file or a folder in which no certificates are.
    """
    folder = os.environ.get(_FOLDER)
    if os.environ.get(_FILE):
        require_certificates(_FILE)
    elif folder and not any(Path(one).is_dir() for one in folder.split(os.pathsep)):
        raise SettingsError(
            f"{_FOLDER} names no folder; name the one with the certificates, or unset it."
        )
    return httpx.create_ssl_context()


def require_certificates(variable: str) -> None:
    """See whether the file that a variable names holds certificates; unset is fine.

    Raises:
        SettingsError: if it holds none, or cannot be read.
    """
    path = os.environ.get(variable)
    if not path:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        no_certificates = isinstance(error, ssl.SSLError | ValueError)
        reason = "holds no certificates" if no_certificates else "cannot be read"
        raise SettingsError(
            f"{variable} names a file that {reason}; name a PEM file of certificates, or unset it."
        ) from None


_Options = Iterable[Any] | None


class HostRefused(Exception):
    """The address leads to a host that a stranger may not name. Nothing was sent."""


def require_allowed(url: httpx.URL, rule: HostRule) -> None:
    """Refuse an address whose host is internal as it is written, or that holds a password.

    What its name resolves to is judged when it is connected to.

    Raises:
        HostRefused: with a clause that says why.
    """
    if url.userinfo:
        raise HostRefused("the address holds a password")
    if not rule.allows_host(url.raw_host.decode("ascii", "replace")):
        raise HostRefused("the address leads into an internal network")


def checked_by(rule: HostRule) -> Callable[[httpx.AsyncHTTPTransport, httpx.Proxy | None], None]:
    """Prepare transports to connect to what the rule allows only. Proxies are not judged."""

    def prepare(transport: httpx.AsyncHTTPTransport, proxy: httpx.Proxy | None) -> None:
        if proxy is None:
            _pool_of(transport)._network_backend = _Checked(rule)  # noqa: SLF001 - no other way

    return prepare


def timed_by(rule: HostRule | None) -> Callable[[httpx.HTTPTransport, httpx.Proxy | None], None]:
    """The same for threads, whose requests also keep to `within`. None: no rule."""

    def prepare(transport: httpx.HTTPTransport, proxy: httpx.Proxy | None) -> None:
        backend = _Timed(rule if proxy is None else None)
        _pool_of(transport)._network_backend = backend  # noqa: SLF001 - no other way

    return prepare


def _pool_of(transport: Any) -> Any:
    pool = transport._pool  # noqa: SLF001
    if not hasattr(pool, "_network_backend"):
        raise TypeError("httpx keeps its connections elsewhere; its version is not supported.")
    return pool


_thread = threading.local()


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """End whatever this thread's clients do inside by a timeout, after so many seconds in all."""
    _thread.deadline = time.monotonic() + seconds
    try:
        yield
    finally:
        _thread.deadline = None


def _left(timeout: float | None, late: type[Exception]) -> float | None:
    deadline: float | None = getattr(_thread, "deadline", None)
    if deadline is None:
        return timeout
    left = deadline - time.monotonic()
    if left <= 0:
        raise late("The request took too long.")
    return left if timeout is None else min(left, timeout)


class _Checked(httpcore.AsyncNetworkBackend):
    def __init__(self, rule: HostRule) -> None:
        self._rule = rule
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's own signature
        local_address: str | None = None,
        socket_options: _Options = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                found = await asyncio.get_running_loop().getaddrinfo(
                    host, port, type=socket.SOCK_STREAM
                )
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("The name was not resolved in time.") from error
        except (OSError, UnicodeError) as error:
            raise _unresolved(error) from error
        addresses = _judged(self._rule, host, found)
        trouble: Exception = httpcore.ConnectError("The name has no address.")
        for address in addresses:
            try:
                return await self._inner.connect_tcp(
                    address,
                    port,
                    timeout=timeout and timeout / len(addresses),
                    local_address=local_address,
                    socket_options=socket_options,
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                trouble = error
        raise trouble

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _Timed(httpcore.NetworkBackend):
    def __init__(self, rule: HostRule | None) -> None:
        self._rule = rule
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: _Options = None,
    ) -> httpcore.NetworkStream:
        addresses = [host] if self._rule is None else self._resolved(self._rule, host, port)
        trouble: Exception = httpcore.ConnectError("The name has no address.")
        for address in addresses:
            left = _left(timeout, httpcore.ConnectTimeout)
            try:
                return _TimedStream(
                    self._inner.connect_tcp(
                        address,
                        port,
                        timeout=left and left / len(addresses),
                        local_address=local_address,
                        socket_options=socket_options,
                    )
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                trouble = error
        raise trouble

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def _resolved(self, rule: HostRule, host: str, port: int) -> list[str]:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise _unresolved(error) from error
        return _judged(rule, host, found)


class _TimedStream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _TimedStream(self._inner.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _unresolved(error: Exception) -> Exception:
    """A name that could not be looked up now may be later; one that there is not cannot."""
    if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
        return httpcore.ConnectError("The name cannot be resolved now.")
    return HostRefused("the address leads to a host that is not known")


def _judged(rule: HostRule, host: str, found: Iterable[Any]) -> list[str]:
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not rule.allows(host, addresses):
        raise HostRefused("the address leads into an internal network")
    return addresses
