"""Running a sandbox on a port: uvicorn, with each request's connection at hand for faults to break.

Owns sockets and signals; the application knows of neither.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import multiprocessing
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TextIO

import httpx
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from catalog.errors import SettingsError
from catalog.values import Clock, utc_now
from tasks.sandbox.app import create_app
from tasks.sandbox.fault_responses import TRANSPORT
from tasks.sandbox.faults import Fault, Scripted
from tasks.sandbox.fetching import Measure
from tasks.sandbox.options import SandboxOptions
from tasks.sandbox.provider import Model

_BACKLOG = 2048
_GRACE_SECONDS = 1

_Connections = dict[tuple[str, int] | None, asyncio.Transport]


class QuietServer(uvicorn.Server):
    """A server that leaves signals to whoever runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Capture none."""
        yield


class _WithConnection:
    """Puts each request's transport into its scope."""

    def __init__(self, app: ASGIApp, connections: _Connections) -> None:
        self._app = app
        self._connections = connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope[TRANSPORT] = self._connections.get(scope["client"])
        await self._app(scope, receive, send)


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket; port 0 takes a free one.

    Raises:
        SettingsError: the port is taken, or the host is not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        reason = error.strerror or "cannot be used"
        message = f"Port {port} on {host}: {reason}. Choose another with --port."
        raise SettingsError(message) from error
    listening.listen(_BACKLOG)
    return listening


def make_server(app: ASGIApp) -> QuietServer:
    """Make a server that faults can reach through to the connection; start it with a socket."""
    connections: _Connections = {}

    class Breakable(H11Protocol):
        """uvicorn's own protocol, which notes the transport under the client's address."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
            super().connection_made(transport)
            connections[self.client] = transport

        def connection_lost(self, exc: Exception | None) -> None:
            connections.pop(self.client, None)
            super().connection_lost(exc)

    return QuietServer(
        uvicorn.Config(
            _WithConnection(app, connections),
            http=Breakable,
            ws="none",
            log_level="error",
            access_log=False,
            server_header=False,
            date_header=False,  # the application dates its answers by its own clock
            backlog=_BACKLOG,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
    )


_LOOPBACK = "127.0.0.1"
_PATIENCE_SECONDS = 30


class Where(enum.StrEnum):
    """Where `running_sandbox` runs it."""

    THREAD = "thread"  # shares clock and memory with the caller, and its processor
    PROCESS = "process"  # costs the caller nothing; model and measure must be picklable


@dataclass(frozen=True, kw_only=True, slots=True)
class RunningSandbox:
    """A sandbox that listens on a port of this machine."""

    base_url: str
    api_key: str = field(repr=False)

    async def audit(self) -> dict[str, Any]:
        """Read the audit."""
        return dict(await self._ask("GET", "/audit"))

    async def predictions(self) -> list[dict[str, Any]]:
        """Read every accepted prediction, oldest first."""
        return list(await self._ask("GET", "/audit/predictions"))

    async def set_faults(
        self,
        *script: Scripted,
        rates: Mapping[Fault, float] | None = None,
        seed: int = 0,
    ) -> None:
        """Replace the fault plan; needs `control` in the options."""
        lines = [
            {"fault": s.fault, "first": s.first, "times": s.times, "about": s.about} for s in script
        ]
        body = {"rates": dict(rates or {}), "script": lines, "seed": seed}
        await self._ask("POST", "/control/faults", body)

    async def advance(self, seconds: float) -> None:
        """Put the sandbox's clock ahead; needs `control` in the options."""
        await self._ask("POST", "/control/clock", {"advance_seconds": seconds})

    async def turn_clock(self, seconds: float) -> None:
        """Turn the sandbox's clock while no time passes; needs `control` in the options."""
        await self._ask("POST", "/control/clock", {"turn_seconds": seconds})

    async def set_balance(self, balance_micros: int) -> None:
        """Set what the account has left; needs `control` in the options."""
        await self._ask("POST", "/control/balance", {"balance_micros": balance_micros})

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        # Straight to this machine, whatever proxy the environment names.
        async with httpx.AsyncClient(trust_env=False, timeout=_PATIENCE_SECONDS) as client:
            key = {"Authorization": f"Bearer {self.api_key}"}
            answer = await client.request(method, f"{self.base_url}{path}", json=body, headers=key)
        return answer.raise_for_status().json()


def serve(
    options: SandboxOptions,
    *,
    host: str = _LOOPBACK,
    port: int = 8700,
    model: Model | None = None,
    measure_duration: Measure | None = None,
    announce: TextIO = sys.stdout,
) -> None:
    """Serve a sandbox until SIGTERM or SIGINT, after saying how to use it.

    Raises:
        SettingsError: files are allowed, the port is taken, or the options do not fit.
    """
    _refuse_files(options)
    app = create_app(options, model=model, measure_duration=measure_duration, host=host)
    listening = listen(host, port)
    announce.write(_how_to_use(options, _url(listening)))
    announce.flush()
    asyncio.run(_until_signalled(make_server(app), listening))


@contextlib.asynccontextmanager
async def running_sandbox(
    options: SandboxOptions,
    *,
    model: Model | None = None,
    measure_duration: Measure | None = None,
    clock: Clock = utc_now,
    port: int = 0,
    where: Where = Where.THREAD,
) -> AsyncIterator[RunningSandbox]:
    """Run a sandbox on a port of this machine for as long as the block lasts.

    In a process, `clock` has to be picklable too, and `advance` is the way to move it.

    Raises:
        SettingsError: as `serve`.
    """
    _refuse_files(options)
    listening = listen(_LOOPBACK, port)
    sandbox = RunningSandbox(base_url=_url(listening), api_key=options.api_key)
    parts: dict[str, Any] = {"model": model, "measure_duration": measure_duration, "clock": clock}
    run = _in_thread if where is Where.THREAD else _in_process
    with contextlib.closing(listening):
        async with run(options, parts, listening):
            # The first answer says that it is up.
            await sandbox.audit()
            yield sandbox


@contextlib.asynccontextmanager
async def _in_thread(
    options: SandboxOptions, parts: dict[str, Any], listening: socket.socket
) -> AsyncIterator[None]:
    server = make_server(create_app(options, **parts))
    thread = threading.Thread(
        target=lambda: asyncio.run(server.serve(sockets=[listening])), name="sandbox", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        await asyncio.to_thread(thread.join, _PATIENCE_SECONDS)


@contextlib.asynccontextmanager
async def _in_process(
    options: SandboxOptions, parts: dict[str, Any], listening: socket.socket
) -> AsyncIterator[None]:
    context = multiprocessing.get_context("spawn")
    process = context.Process(
        target=_serve_here, args=(options, parts, listening), name="sandbox", daemon=True
    )
    process.start()
    # The child has its own copy; a second listener would swallow connections.
    listening.close()
    try:
        yield
    finally:
        process.terminate()
        await asyncio.to_thread(process.join, _PATIENCE_SECONDS)


def _serve_here(options: SandboxOptions, parts: dict[str, Any], listening: socket.socket) -> None:
    asyncio.run(_until_signalled(make_server(create_app(options, **parts)), listening))


async def _until_signalled(server: QuietServer, listening: socket.socket) -> None:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.should_exit = True

    for signal_ in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_, stop)
    await server.serve(sockets=[listening])


def _refuse_files(options: SandboxOptions) -> None:
    if options.allow_files:
        message = "A sandbox on a port opens no files of this machine; leave out allow_files."
        raise SettingsError(message)


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _how_to_use(options: SandboxOptions, url: str) -> str:
    controls = f"\n  Control   {url}/control/faults" if options.control else ""
    return (
        f"A stand-in for WaveSpeed's API is listening. No real money is spent.\n\n"
        f"  URL       {url}\n"
        f"  Key       {options.api_key}\n"
        f"  Audit     {url}/audit{controls}\n\n"
        f"Point reelcat at it from another terminal:\n\n"
        f"  export WAVESPEED_BASE_URL={url}\n"
        f"  export WAVESPEED_API_KEY={options.api_key}\n\n"
        f"Ctrl-C stops it.\n"
    )
