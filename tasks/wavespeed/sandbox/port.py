"""A sandbox on a port: uvicorn, with each request's connection at hand for faults to break.

Owns sockets and signals; the application knows of neither.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from catalog.errors import SettingsError
from tasks.wavespeed.sandbox.wreckage import TRANSPORT

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
