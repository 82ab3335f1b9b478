"""What precedes and follows each address: counting, the check of the key, and faults."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from tasks.network.hosts import literal, names_this_machine
from tasks.sandbox import fault_responses
from tasks.sandbox.faults import Fault, Stage
from tasks.sandbox.provider import Sandbox
from tasks.sandbox.wire import Refusal

#: The fault is the one that strikes this request, for endpoints that answer differently under it.
Endpoint = Callable[[Sandbox, Request, Fault | None], Awaitable[Response]]
Handler = Callable[[Request], Awaitable[Response]]


def api(name: str, endpoint: Endpoint, stage: Stage | None = None) -> Handler:
    """Make a handler of the API: it wants the key."""

    async def handler(request: Request) -> Response:
        sandbox = _enter(request, name)
        if not _sends_key(sandbox, request):
            refusal = Refusal(401, "invalid or missing api key", reason="unauthorised")
            return _refused(sandbox, refusal)
        return await _under_faults(sandbox, request, endpoint, stage)

    return handler


def storage(name: str, endpoint: Endpoint, stage: Stage | None = None) -> Handler:
    """Make a handler of the storage: a request that carries the key is refused, and counted."""

    async def handler(request: Request) -> Response:
        sandbox = _enter(request, name)
        if _carries_key(sandbox, request):
            sandbox.counts.key_leaks += 1
            sandbox.counts.refused["key-leak"] += 1
            message = "Only one authentication mechanism is allowed"
            return fault_responses.storage_error(403, "InvalidRequest", message)
        return await _under_faults(sandbox, request, endpoint, stage)

    return handler


def origin(request: Request) -> str:
    """Give scheme and host that the client used, without a slash at the end."""
    return f"{request.scope['scheme']}://{request.headers.get('host', '')}"


def storage_origin(sandbox: Sandbox, request: Request) -> str:
    """Give the origin of storage addresses, without a slash at the end."""
    return (sandbox.options.storage_origin or origin(request)).rstrip("/")


def _enter(request: Request, name: str) -> Sandbox:
    sandbox: Sandbox = request.app.state.sandbox
    sandbox.wake()
    sandbox.counts.requests[name] += 1
    if sandbox.options.api_key.encode() in request.scope["query_string"]:
        sandbox.counts.key_leaks += 1
    return sandbox


def _sends_key(sandbox: Sandbox, request: Request) -> bool:
    given = request.headers.get("authorization", "")
    return hmac.compare_digest(given.encode(), f"Bearer {sandbox.options.api_key}".encode())


def _carries_key(sandbox: Sandbox, request: Request) -> bool:
    values = (value for name, value in request.scope["headers"] if name != b"host")
    return "authorization" in request.headers or any(
        sandbox.options.api_key.encode() in value for value in values
    )


async def _under_faults(
    sandbox: Sandbox, request: Request, endpoint: Endpoint, stage: Stage | None
) -> Response:
    fault = None if stage is None else sandbox.draw(stage, await _about(sandbox, request, stage))
    if stage is Stage.POLL:
        now_ns = sandbox.now()
        prediction = sandbox.account.get(request.path_params["id"], now_ns)
        sandbox.counts.poll(prediction, now_ns)
    if fault is not None:
        answer = fault_responses.instead(fault, sandbox.options, sandbox.date())
        if answer is not None:
            sandbox.counts.refused[f"fault:{fault}"] += 1
            return answer
    try:
        answer = await endpoint(sandbox, request, fault)
    except Refusal as refusal:
        return _refused(sandbox, refusal)
    if fault is None or answer.status_code >= 300:
        return answer
    return fault_responses.spoiled(fault, answer, sandbox.options)


async def _about(sandbox: Sandbox, request: Request, stage: Stage) -> str:
    if not sandbox.faults.wants_text(stage):
        return ""
    if stage is Stage.PUT:
        return request.url.path
    return f"{request.url.path} {(await request.body()).decode(errors='replace')}"


def _refused(sandbox: Sandbox, refusal: Refusal) -> Response:
    sandbox.counts.refused[refusal.reason] += 1
    return refusal.response()


#: Nobody can register a name below it, so that none of a stranger's leads here.
_NEVER_REGISTERED = ".test"


def guarded(endpoint: Handler) -> Handler:
    """Make a handler that asks for the key, and refuses pages of other origins."""

    async def handler(request: Request) -> Response:
        sandbox: Sandbox = request.app.state.sandbox
        refusal = _refusal(request, sandbox.options.api_key, request.app.state.host)
        return await endpoint(request) if refusal is None else refusal.response()

    return handler


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
    if not _knows_key(headers.get("authorization", ""), key):
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


def _knows_key(given: str, key: str) -> bool:
    scheme, _, value = given.partition(" ")
    if scheme.lower() == "basic":
        try:
            value = base64.b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return False
    elif scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(value.encode(), key.encode())
