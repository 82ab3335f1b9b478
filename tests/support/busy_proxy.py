"""A proxy before a real server that answers 503 to the requests that a test names."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

_BUSY = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)


class BusyProxy:
    """Passes everything on, but for what `is_busy` says of a request line."""

    def __init__(self, url: str, is_busy: Callable[[str], bool]) -> None:
        self._server = urlsplit(url)
        self._is_busy = is_busy
        self.url = ""
        #: The request lines that were answered with 503.
        self.refused: list[str] = []

    async def serve(self, ready: threading.Event, stop: asyncio.Event) -> None:
        async with await asyncio.start_server(self._meet, "127.0.0.1", 0) as listening:
            port = listening.sockets[0].getsockname()[1]
            self.url = f"http://127.0.0.1:{port}{self._server.path}"
            ready.set()
            await stop.wait()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, onward = await asyncio.open_connection(self._server.hostname, self._server.port)
        back = asyncio.create_task(_pass_on(there, writer))
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while await self._take_one(reader, writer, onward):
                pass
            await _pass_on(reader, onward)  # a websocket speaks both ways from here on
        back.cancel()
        for one in (writer, onward):
            one.close()

    async def _take_one(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        onward: asyncio.StreamWriter,
    ) -> bool:
        """Take one request; False when the connection is no HTTP any more."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        body = await reader.readexactly(int(length[1])) if length else b""
        line = head.partition(b"\r\n")[0].decode()
        if self._is_busy(line):
            self.refused.append(line)
            writer.write(_BUSY)
        else:
            onward.write(head + body)
            await onward.drain()
        return b"upgrade: websocket" not in head.lower()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while block := await reader.read(65_536):
            writer.write(block)
            await writer.drain()


@contextlib.contextmanager
def busy_proxy(url: str, is_busy: Callable[[str], bool]) -> Iterator[BusyProxy]:
    """Serve for as long as the block lasts."""
    proxy, ready, loop, stop = BusyProxy(url, is_busy), threading.Event(), [], []

    async def serve() -> None:
        loop.append(asyncio.get_running_loop())
        stop.append(asyncio.Event())
        await proxy.serve(ready, stop[0])

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(30)
    try:
        yield proxy
    finally:
        loop[0].call_soon_threadsafe(stop[0].set)
        thread.join(30)
