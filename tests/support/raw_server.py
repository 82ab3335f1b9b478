"""A server that sends what no server should: the bytes of a test, and then others without end."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest


class RawServer:
    """Answers every request with a head, and then with the same block without end."""

    def __init__(self, head: bytes, block: bytes = b"", pause: float = 0.0) -> None:
        self.head, self.block, self.pause = head, block, pause
        self.asked = 0
        self._stopped = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._stopped.set()
        self._listening.close()

    def _serve(self) -> None:
        while not self._stopped.is_set():
            try:
                line, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(line,), daemon=True).start()

    def _answer(self, line: socket.socket) -> None:
        with contextlib.suppress(OSError), line:
            line.recv(65_536)
            self.asked += 1
            line.sendall(self.head)
            while self.block and not self._stopped.wait(self.pause):
                line.sendall(self.block)


def head(status: str = "206 Partial Content", **fields: object) -> bytes:
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode()


@pytest.fixture
def raw():
    servers = []

    def serve(*arguments, **how):
        servers.append(RawServer(*arguments, **how))
        return servers[-1]

    yield serve
    for server in servers:
        server.close()
