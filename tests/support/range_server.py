"""A small web server for tests: files in memory, ranges, ETags, and bad manners to order."""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote


@dataclass(kw_only=True)
class WebFile:
    """One file and how the server treats those who ask for it."""

    data: bytes
    ranges: bool = True
    head: bool = True
    modified: str | None = "Mon, 23 Nov 2026 08:00:00 GMT"
    #: Answers to give before the first good one: a status, or None to break off half-way.
    troubles: list[int | None] = field(default_factory=list)

    @property
    def etag(self) -> str:
        return '"' + hashlib.sha256(self.data).hexdigest()[:16] + '"'


class QuietServer(ThreadingHTTPServer):
    """A server that does not mind clients who hang up."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass


class RangeServer:
    """Serves `files`, by path without the leading slash, and remembers the requests."""

    def __init__(self) -> None:
        self.files: dict[str, WebFile] = {}
        self.redirects: dict[str, str] = {}
        self.requests: list[tuple[str, str]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.answer(self)

            def do_HEAD(self) -> None:
                server.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._http = QuietServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def count(self) -> Counter[str]:
        """Requests by method."""
        return Counter(method for method, _ in self.requests)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.requests.append((request.command, request.path))
        name = unquote(request.path.partition("?")[0]).removeprefix("/")
        if name in self.redirects:
            return self._send(request, 302, {"Location": self.redirects[name]}, b"")
        file = self.files.get(name)
        if file is None:
            return self._send(request, 404, {}, b"nothing here")
        if file.troubles:
            trouble = file.troubles.pop(0)
            if trouble is not None:
                return self._send(request, trouble, {}, b"no")
            request.close_connection = True
            promised = {"Content-Length": "1000", "Content-Range": f"bytes 0-999/{len(file.data)}"}
            return self._send(request, 206, {**promised, "ETag": file.etag}, b"half")
        if request.command == "HEAD" and not file.head:
            return self._send(request, 405, {}, b"")
        headers = {"ETag": file.etag}
        if file.modified:
            headers["Last-Modified"] = file.modified
        return self._send_file(request, file, headers)

    def _send_file(self, request, file: WebFile, headers: dict[str, str]) -> None:
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("Range", ""))
        if not match or not file.ranges:
            return self._send(request, 200, headers, file.data)
        start, stop = int(match[1]), int(match[2]) + 1
        size = len(file.data)
        if start >= size:
            return self._send(request, 416, {"Content-Range": f"bytes */{size}"}, b"")
        part = file.data[start:stop]
        headers["Content-Range"] = f"bytes {start}-{start + len(part) - 1}/{size}"
        return self._send(request, 206, headers, part)

    def _send(self, request, status: int, headers: dict[str, str], body: bytes) -> None:
        request.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            request.send_header(name, value)
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
