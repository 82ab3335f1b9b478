"""An HTTP server that does with each request what a test says, also what servers should not do."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections import deque
from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Seen:
    """One request as the server got it."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


@dataclass(kw_only=True)
class Reply:
    """What the server does with one request."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    #: Sent as Content-Length; more than the body has means half a body.
    claimed: int | None = None
    #: "answer", "reset" (before any answer), "silence" (connection stays open, nothing comes),
    #: "half" (headers and body, then the connection closes), "stuck" (the same, and stays open).
    manner: str = "answer"


def enveloped(data=None, *, status=200, code=None, message="success", headers=None):
    body = json.dumps({"code": code or status, "message": message, "data": data}).encode()
    return Reply(status=status, body=body, headers=headers or {})


class ScriptedServer:
    """Answers each request with the next scripted reply; the last one is repeated."""

    def __init__(self):
        self.seen: list[Seen] = []
        self._replies: deque[Reply] = deque()
        self.most_open = 0
        self._server = None
        self._writers = set()

    async def start(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def stop(self):
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()

    @property
    def port(self):
        return self._server.sockets[0].getsockname()[1]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def will(self, *replies):
        self._replies.extend(replies)

    async def _serve(self, reader, writer):
        self._writers.add(writer)
        self.most_open = max(self.most_open, len(self._writers))
        try:
            while await self._serve_one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _serve_one(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ", 2)
        pairs = (line.split(": ", 1) for line in head[1:] if line)
        headers = {name.lower(): value for name, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.seen.append(Seen(method=method, target=target, headers=headers, body=body))
        reply = self._replies.popleft() if len(self._replies) > 1 else self._replies[0]
        return await self._reply(reply, reader, writer)

    async def _reply(self, reply, reader, writer):
        if reply.manner == "reset":
            linger = struct.pack("ii", 1, 0)
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
            return False
        if reply.manner != "silence":
            length = len(reply.body) if reply.claimed is None else reply.claimed
            fields = {"Content-Length": str(length), **reply.headers}
            head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
            writer.write(f"HTTP/1.1 {reply.status} X\r\n{head}\r\n".encode() + reply.body)
            await writer.drain()
        if reply.manner in {"silence", "stuck"}:
            await reader.read()
        return reply.manner == "answer"
