"""What every door does before and after its own work: count, check the key, let faults strike."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from tasks.wavespeed.sandbox import sabotage
from tasks.wavespeed.sandbox.answers import Refusal
from tasks.wavespeed.sandbox.faults import Fault, Stage
from tasks.wavespeed.sandbox.service import Sandbox

#: The fault is the one that strikes this request, for endpoints that answer differently under it.
Endpoint = Callable[[Sandbox, Request, Fault | None], Awaitable[Response]]
Door = Callable[[Request], Awaitable[Response]]


def api(name: str, endpoint: Endpoint, stage: Stage | None = None) -> Door:
    """Make a door of the API: it wants the key."""

    async def door(request: Request) -> Response:
        sandbox = _enter(request, name)
        if not _has_key(sandbox, request):
            refusal = Refusal(401, "invalid or missing api key", reason="unauthorised")
            return _refused(sandbox, refusal)
        return await _under_faults(sandbox, request, endpoint, stage)

    return door


def storage(name: str, endpoint: Endpoint, stage: Stage | None = None) -> Door:
    """Make a door of the storage: a request that carries the key is refused, and counted."""

    async def door(request: Request) -> Response:
        sandbox = _enter(request, name)
        if _carries_key(sandbox, request):
            sandbox.tally.key_leaks += 1
            sandbox.tally.refused["key-leak"] += 1
            message = "Only one authentication mechanism is allowed"
            return sabotage.storage_error(403, "InvalidRequest", message)
        return await _under_faults(sandbox, request, endpoint, stage)

    return door


def origin(request: Request) -> str:
    """Give scheme and host that the client used, without a slash at the end."""
    return f"{request.scope['scheme']}://{request.headers.get('host', '')}"


def storage_origin(sandbox: Sandbox, request: Request) -> str:
    """Give the origin of storage addresses, without a slash at the end."""
    return (sandbox.options.storage_origin or origin(request)).rstrip("/")


def _enter(request: Request, name: str) -> Sandbox:
    sandbox: Sandbox = request.app.state.sandbox
    sandbox.wake()
    sandbox.tally.requests[name] += 1
    if sandbox.options.api_key.encode() in request.scope["query_string"]:
        sandbox.tally.key_leaks += 1
    return sandbox


def _has_key(sandbox: Sandbox, request: Request) -> bool:
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
        sandbox.tally.poll(prediction, now_ns)
    if fault is not None:
        answer = sabotage.instead(fault, sandbox.options, sandbox.date())
        if answer is not None:
            sandbox.tally.refused[f"fault:{fault}"] += 1
            return answer
    try:
        answer = await endpoint(sandbox, request, fault)
    except Refusal as refusal:
        return _refused(sandbox, refusal)
    if fault is None or answer.status_code >= 300:
        return answer
    return sabotage.spoiled(fault, answer, sandbox.options)


async def _about(sandbox: Sandbox, request: Request, stage: Stage) -> str:
    if not sandbox.faults.wants_text(stage):
        return ""
    if stage is Stage.PUT:
        return request.url.path
    return f"{request.url.path} {(await request.body()).decode(errors='replace')}"


def _refused(sandbox: Sandbox, refusal: Refusal) -> Response:
    sandbox.tally.refused[refusal.reason] += 1
    return refusal.response()
