"""Proxies as the environment names them: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY.

Read here and not by httpx, which knows no ranges of addresses in NO_PROXY and ends with a traceback
where it is told of one, or of a proxy that it cannot use. A password of a proxy is never shown.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import unquote
from urllib.request import getproxies

import httpx

from catalog.errors import SettingsError

_PROXY = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?P<credentials>.*@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:/?#\[\]@]+)(?::(?P<port>[0-9]{1,5}))?/?",
    re.DOTALL,
)
_SOCKS = frozenset({"socks5", "socks5h"})
_SCHEMES = ("http", "https", "all")


@dataclass(frozen=True, kw_only=True, slots=True)
class Proxies:
    """Which address is asked through which proxy."""

    #: By the scheme of the address, or `all`, as they were written.
    by_scheme: Mapping[str, str]
    #: Hosts that are asked directly.
    exempt: tuple[str, ...]

    def named_for(self, url: httpx.URL | str) -> str | None:
        """Give the scheme under which a proxy for this address is named; None to ask directly.

        This machine is asked directly: a proxy could not reach it, and would be sent the key in
        clear text.

        >>> proxies = Proxies(by_scheme={"all": "http://proxy"}, exempt=("::1", "fe80::/10"))
        >>> proxies.named_for("http://[fe80::7]/"), proxies.named_for("https://api.example")
        (None, 'all')
        """
        url = httpx.URL(url)
        scheme = url.scheme if url.scheme in self.by_scheme else "all"
        if scheme not in self.by_scheme or _is_this_machine(url.host):
            return None
        return None if any(_covers(one, url.host, url.port) for one in self.exempt) else scheme

    def proxy_for(self, url: httpx.URL | str) -> httpx.Proxy | None:
        """Give the proxy through which an address is asked; None to ask directly.

        Raises:
            SettingsError: what is named is none that can be used.
        """
        scheme = self.named_for(url)
        return None if scheme is None else _proxy(self.by_scheme[scheme], f"{scheme.upper()}_PROXY")


def proxies_of_environment() -> Proxies:
    """Read the environment, as urllib and curl do: lower case before upper case."""
    named = getproxies()
    exempt = re.split(r"[\s,]+", named.get("no", ""))
    return Proxies(
        by_scheme={
            scheme: value.strip() for scheme in _SCHEMES if (value := named.get(scheme, "")).strip()
        },
        exempt=tuple(one for one in exempt if one),
    )


def _is_this_machine(host: str) -> bool:
    host = host.lower().rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = _address(host)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address is not None and (address.is_loopback or address.is_unspecified)


def _covers(exempt: str, host: str, port: int | None) -> bool:
    """Tell whether an entry of NO_PROXY means this host: a name, an address, a range, or `*`."""
    exempt = exempt.rpartition("://")[2].lower()
    host = host.lower().rstrip(".")
    address = _address(host)
    if address is not None:
        try:
            bare = re.sub(r"^\[([^\]]*)\](/\d+)?$", r"\1\2", exempt)
            network = ipaddress.ip_network(bare, strict=False)
        except ValueError:
            pass
        else:
            return address in network
    named = re.fullmatch(r"\[?(?P<name>.*?)\]?(?::(?P<port>\d+))?", exempt, re.DOTALL)
    if exempt == "*" or named is None:
        return exempt == "*"
    if named["port"] is not None and int(named["port"]) != port:
        return False
    name = named["name"].removeprefix("*").strip(".")
    if address is not None:
        return address == _address(name)
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def _proxy(written: str, variable: str) -> httpx.Proxy:
    match = _PROXY.fullmatch(written)
    if match is None or int(match["port"] or 80) > 65_535:
        raise SettingsError(
            f"{variable} is no address of a proxy, which looks like http://proxy.example:3128; "
            "correct it, or unset it."
        )
    scheme = (match["scheme"] or "http").lower()
    if scheme.startswith("socks") and not _can_do(scheme):
        raise SettingsError(
            f"{variable} names a SOCKS proxy, which needs the module socksio and socks5://; "
            "install it with `pip install socksio`, name an http:// proxy in HTTPS_PROXY, or name "
            "the host that is to be asked directly in NO_PROXY."
        )
    if scheme not in {"http", "https", *_SOCKS}:
        raise SettingsError(
            f"{variable} names a proxy of a kind that reelcat does not know; write http://, "
            "https:// or socks5:// before its host, or unset it."
        )
    user, colon, password = (match["credentials"] or "")[:-1].partition(":")
    port = f":{match['port']}" if match["port"] else ""
    return httpx.Proxy(
        f"{scheme}://{match['host']}{port}",
        auth=(unquote(user), unquote(password)) if user or colon else None,
    )


def _can_do(scheme: str) -> bool:
    return scheme in _SOCKS and importlib.util.find_spec("socksio") is not None


T = TypeVar("T", httpx.HTTPTransport, httpx.AsyncHTTPTransport)


class _Ways(Generic[T]):
    """One transport for what is asked directly, and one for each proxy."""

    def __init__(
        self,
        make: Callable[[httpx.Proxy | None], T],
        prepare: Callable[[T, httpx.Proxy | None], None] | None,
    ) -> None:
        self._proxies = proxies_of_environment()
        self._make: Callable[[httpx.Proxy | None], T] = make
        #: Told of each transport, and the proxy that it goes through, before it is used.
        self._prepare: Callable[[T, httpx.Proxy | None], None] | None = prepare
        self.made: dict[str | None, T] = {}

    def to(self, request: httpx.Request) -> T:
        scheme = self._proxies.named_for(request.url)
        if scheme not in self.made:
            try:
                proxy = self._proxies.proxy_for(request.url)
            except SettingsError as error:
                raise httpx.ConnectError(str(error), request=request) from None
            transport = self._make(proxy)
            if self._prepare is not None:
                self._prepare(transport, proxy)
            self.made[scheme] = transport
        return self.made[scheme]


class ProxiedTransport(httpx.BaseTransport):
    """Asks each address as the environment says.

    `prepare` is told of each way before it is used, and of the proxy that it leads through.
    """

    def __init__(
        self,
        verify: ssl.SSLContext,
        *,
        prepare: Callable[[httpx.HTTPTransport, httpx.Proxy | None], None] | None = None,
    ) -> None:
        self._ways = _Ways(
            lambda proxy: httpx.HTTPTransport(verify=verify, proxy=proxy, trust_env=False), prepare
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request."""
        return self._ways.to(request).handle_request(request)

    def close(self) -> None:
        """Close all connections."""
        for transport in self._ways.made.values():
            transport.close()


class AsyncProxiedTransport(httpx.AsyncBaseTransport):
    """Asks each address as the environment says; see `ProxiedTransport`."""

    def __init__(
        self,
        verify: ssl.SSLContext,
        limits: httpx.Limits,
        *,
        prepare: Callable[[httpx.AsyncHTTPTransport, httpx.Proxy | None], None] | None = None,
    ) -> None:
        self._ways = _Ways(
            lambda proxy: httpx.AsyncHTTPTransport(
                verify=verify, limits=limits, proxy=proxy, trust_env=False
            ),
            prepare,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request."""
        return await self._ways.to(request).handle_async_request(request)

    async def aclose(self) -> None:
        """Close all connections."""
        for transport in self._ways.made.values():
            await transport.aclose()
