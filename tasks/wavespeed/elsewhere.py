"""Looking behind a URL that is a prediction's whole answer.

The URL was written by a model that watched somebody's video, so it is not trusted: it gets no key,
no redirect is followed, only text of bounded size is taken, and addresses inside the local network
are not visited (unless the provider itself is on this machine, as the sandbox is). The check is
made before connecting; it does not defend against a name that resolves differently a moment later.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket

import httpx

from tasks.wavespeed.envelope import Answer, read_json, storable
from tasks.wavespeed.errors import Troubled
from tasks.wavespeed.exchange import described, exchange, sender
from tasks.wavespeed.outputs import read_outputs

_SECONDS = 30.0
_PASSING = frozenset({408, 425, 429})


async def look_behind(client: httpx.AsyncClient, url: str, *, own_host: str) -> str | None:
    """The text behind the URL; None when there is none to be had.

    `client` must not carry a key; `own_host` is the API's host, which may be visited wherever it
    is. Raises `Troubled` when another look may help.
    """
    try:
        target = httpx.URL(url)
    except httpx.InvalidURL:
        return None
    if target.userinfo or not await _may_be_visited(target, own_host=own_host):
        return None
    try:
        answer = await exchange(
            sender(client), client.build_request("GET", target), seconds=_SECONDS
        )
    except httpx.UnsupportedProtocol:
        return None
    except (httpx.HTTPError, OSError) as error:
        raise Troubled(described(error)) from error
    if answer.status_code in _PASSING or answer.status_code >= 500:
        raise Troubled(f"HTTP {answer.status_code} for the answer's text")
    if answer.status_code != 200:
        return None
    if answer.cut and answer.cut.startswith("ended early"):
        raise Troubled(f"the answer's text {answer.cut}")
    return None if answer.cut else _text_in(answer)


def _text_in(answer: Answer) -> str | None:
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in {"text/html", "application/xhtml+xml"}:
        return None
    try:
        text = answer.body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    if "\x00" in text:
        return None
    if kind == "application/json":
        inner = read_outputs(read_json(answer.body))
        return inner if isinstance(inner, str) else None
    return storable(text).strip() or None


async def _may_be_visited(target: httpx.URL, *, own_host: str) -> bool:
    if target.host == own_host:
        return True
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(
            target.host, target.port or (443 if target.scheme == "https" else 80)
        )
    except socket.gaierror as error:
        if error.errno == socket.EAI_AGAIN:
            raise Troubled("the name of the host that holds the answer's text") from error
        return False
    except UnicodeError:
        return False
    addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    near = _is_this_machine(own_host)
    return bool(addresses) and all(
        address.is_global or (near and address.is_loopback) for address in addresses
    )


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
