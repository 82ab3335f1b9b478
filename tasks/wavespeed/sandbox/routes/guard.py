"""Who may read the books and turn the knobs: whoever has the key, and no page of a browser.

A page from elsewhere can make a browser ask this machine. It gives itself away by its `Origin`; one
whose own name suddenly leads here gives itself away by the `Host` that it asks for.
"""

from __future__ import annotations

import base64
import binascii
import hmac

from starlette.requests import Request
from starlette.responses import Response

from tasks.untrusted_hosts import literal, names_this_machine
from tasks.wavespeed.sandbox.answers import Refusal
from tasks.wavespeed.sandbox.routes.door import Door
from tasks.wavespeed.sandbox.service import Sandbox

#: Nobody can register a name below it, so that none of a stranger's leads here.
_NEVER_REGISTERED = ".test"


def guarded(endpoint: Door) -> Door:
    """Make a door that asks for the key, and is closed to pages of other origins."""

    async def door(request: Request) -> Response:
        sandbox: Sandbox = request.app.state.sandbox
        refusal = _refusal(request, sandbox.options.api_key, request.app.state.host)
        return await endpoint(request) if refusal is None else refusal.response()

    return door


def _refusal(request: Request, key: str, bound_to: str | None) -> Refusal | None:
    headers = request.headers
    asked_for = headers.get("host", "")
    if len(headers.getlist("host")) > 1 or not is_own_host(_host_in(asked_for), bound_to):
        return Refusal(403, "this is not the host that was asked for", reason="host")
    origin = headers.get("origin")
    if (origin is not None and origin.lower().partition("://")[2] != asked_for.lower()) or (
        headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}
    ):
        return Refusal(403, "pages of other origins are not answered", reason="origin")
    if not _has_key(headers.get("authorization", ""), key):
        # A browser then asks for it; any name will do.
        challenge = {"WWW-Authenticate": 'Basic realm="sandbox key as password"'}
        message = "invalid or missing api key"
        return Refusal(401, message, reason="unauthorised", headers=challenge)
    return None


def is_own_host(host: str, bound_to: str | None) -> bool:
    """Whether a host is this machine's, or the one that the sandbox is bound to.

    Bound to all addresses, every address and every name without a dot is its own: neither can be
    registered by a stranger.

    >>> [is_own_host(host, "127.0.0.1") for host in ("localhost", "127.0.0.1", "evil.example")]
    [True, True, False]
    >>> [is_own_host(host, "0.0.0.0") for host in ("10.0.0.5", "sandbox", "evil.example")]
    [True, True, False]
    """
    host, bound = host.lower().rstrip("."), (bound_to or "").lower()
    if names_this_machine(host) or host.endswith(_NEVER_REGISTERED) or (host and host == bound):
        return True
    address, to = literal(host), literal(bound) if bound else None
    if to is None or not to.is_unspecified:
        return address is not None and address == to
    return address is not None or (bool(host) and "." not in host)


def _host_in(header: str) -> str:
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0]


def _has_key(given: str, key: str) -> bool:
    scheme, _, value = given.partition(" ")
    if scheme.lower() == "basic":
        try:
            value = base64.b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return False
    elif scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(value.encode(), key.encode())
