"""The sandbox as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import format_datetime

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from catalog.values import Clock, utc_now
from tasks.sandbox.faults import Stage
from tasks.sandbox.fetching import Measure
from tasks.sandbox.options import SandboxOptions
from tasks.sandbox.provider import Model, Sandbox
from tasks.sandbox.routes import billing, media, predictions
from tasks.sandbox.routes.access import Handler, api, guarded, storage
from tasks.sandbox.wire import reply


def create_app(
    options: SandboxOptions,
    *,
    model: Model | None = None,
    measure_duration: Measure | None = None,
    clock: Clock = utc_now,
    host: str | None = None,
) -> Starlette:
    """Make a sandbox.

    Serve it with `serve`, or use it in-process through `httpx.ASGITransport(app)`; then call
    `app.state.sandbox.close()` when done. It belongs to the event loop it is first used on.

    Args:
        options: how it behaves.
        model: describes the video at a path for a task and instructions; runs in a thread. May be
            None only where `options.mode` is canned.
        measure_duration: gives the seconds of the video at a path, None if it cannot be measured;
            runs in a thread. None as above.
        clock: what time it is; latencies, expiry and limits follow it.
        host: what it is served on, if that is not this machine alone.

    Raises:
        SettingsError: the options want what is not given, or the state file is not one.
    """
    sandbox = Sandbox(options, model=model, measure_duration=measure_duration, clock=clock)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        sandbox.wake()
        yield
        sandbox.close()

    app = Starlette(
        routes=_routes(),
        lifespan=lifespan,
        middleware=[Middleware(_Dated, sandbox=sandbox)],
        exception_handlers={HTTPException: _unknown},
    )
    app.state.sandbox = sandbox
    app.state.host = host
    return app


class _Dated:
    """Says in the `Date` of every answer what time it is by the sandbox's own clock."""

    def __init__(self, app: ASGIApp, *, sandbox: Sandbox) -> None:
        self._app = app
        self._sandbox = sandbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = format_datetime(self._sandbox.date(), usegmt=True)
                MutableHeaders(scope=message)["Date"] = date
            await send(message)

        await self._app(scope, receive, send_dated)


async def _unknown(_request: Request, error: Exception) -> Response:
    status, message = 500, "internal server error"
    if isinstance(error, HTTPException):
        status, message = error.status_code, error.detail.lower()
    return reply({"code": status, "message": message, "data": None}, status=status)


def _routes() -> list[Route]:
    v3 = "/api/v3"
    polled = api("poll", predictions.poll, Stage.POLL)
    controls = predictions.control
    return [
        Route(f"{v3}/predictions/{{id}}/result", polled),
        Route(f"{v3}/predictions/{{id}}", polled),
        _post(f"{v3}/predictions", api("list", predictions.list_predictions, Stage.LIST)),
        _post(f"{v3}/media/uploads", api("ticket", media.ticket, Stage.TICKET)),
        _post(f"{v3}/model/price", api("price", billing.price, Stage.PRICE)),
        _post(f"{v3}/billings/search", api("billing", billing.billings, Stage.BILLING)),
        Route(f"{v3}/balance", api("balance", billing.balance, Stage.BALANCE)),
        Route(
            "/storage/upload/{id}/{filename}",
            storage("put", media.put, Stage.PUT),
            methods=["PUT"],
        ),
        Route("/storage/media/{id}/{filename}", storage("download", media.download)),
        Route("/storage/text/{id}.txt", storage("text", media.text)),
        Route("/audit", guarded(predictions.audit)),
        Route("/audit/predictions", guarded(predictions.audit_predictions)),
        Route("/control/faults", guarded(controls(predictions.show_faults))),
        _post("/control/faults", guarded(controls(predictions.set_faults))),
        _post("/control/clock", guarded(controls(predictions.set_clock))),
        _post("/control/balance", guarded(controls(predictions.set_balance))),
        # Last, for a model's name takes in every other address.
        _post(f"{v3}/{{model:path}}", api("submit", predictions.submit, Stage.SUBMIT)),
    ]


def _post(path: str, handler: Handler) -> Route:
    return Route(path, handler, methods=["POST"])
