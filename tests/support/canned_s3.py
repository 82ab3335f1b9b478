"""A bucket with as many keys as one likes, whose answers can be slow, or refusals.

Speaks as much of S3 as reelcat asks for, in the words of S3's documentation. What a real server
says is tested with a real one (tests/support/swift_server.py); this one says what no test can
bring a real one to: a million keys, latency, archive classes, key management, requester pays.
"""

from __future__ import annotations

import bisect
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

DATE = "Mon, 23 Nov 2026 08:00:00 GMT"
STAMP = "2026-11-23T08:00:00.000Z"
ETAG = "d41d8cd98f00b204e9800998ecf8427e"


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """What is answered instead of an object."""

    status: int
    code: str


@dataclass(kw_only=True)
class CannedBucket:
    """One bucket of one account, whatever it is called."""

    #: Sorted by their UTF-8, as S3 sorts them.
    keys: Sequence[str] = ()
    bodies: Mapping[str, bytes] = field(default_factory=dict)
    classes: Mapping[str, str] = field(default_factory=dict)
    refusals: Mapping[str, Refusal] = field(default_factory=dict)
    #: Seconds that each answer takes, as over a long line.
    latency: float = 0.0
    #: Pages of a listing after which the server refuses to go on; None for never.
    most_pages: int | None = None
    #: Every other page holds nothing and goes on, as where much was deleted.
    hollow: bool = False
    #: Ranges are ignored, and all of an object is sent.
    whole: bool = False
    size: int = 1000
    #: What was asked, and the headers it came with.
    asked: list[tuple[str, str, dict[str, list[str]], dict[str, str]]] = field(default_factory=list)
    #: Most requests that were being answered at one time.
    most_at_once: int = 0
    _now: int = 0
    _pages: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def counts(self) -> Counter[str]:
        """How often each method was used."""
        return Counter(method for method, *_ in self.asked)

    def enter(self, change: int) -> None:
        with self._lock:
            self._now += change
            self.most_at_once = max(self.most_at_once, self._now)

    def page(self, bucket: str, query: dict[str, list[str]]) -> bytes | Refusal:
        """Answer ListObjectsV2."""
        with self._lock:
            self._pages += 1
            if self.most_pages is not None and self._pages > self.most_pages:
                return Refusal(status=403, code="AccessDenied")

        def asked(name: str, default: str = "") -> str:
            return query.get(name, [default])[0]

        prefix, delimiter = asked("prefix"), asked("delimiter")
        most = min(int(asked("max-keys", "1000")), 1000)
        after = asked("continuation-token") or asked("start-after")
        if self.hollow and self._pages % 2 and not delimiter:
            return self._xml(bucket, [], [], after or "!").encode()  # before all keys there are
        contents: list[str] = []
        folders: list[str] = []
        place = max(bisect.bisect_left(self.keys, prefix), bisect.bisect_right(self.keys, after))
        last = ""
        while place < len(self.keys) and self.keys[place].startswith(prefix):
            if len(contents) + len(folders) == most:
                break
            last = self.keys[place]
            cut = last.find(delimiter, len(prefix)) if delimiter else -1
            if cut < 0:
                contents.append(last)
                place += 1
            else:
                folder = last[: cut + 1]
                folders.append(folder)
                place = bisect.bisect_left(self.keys, folder[:-1] + chr(ord(folder[-1]) + 1))
                last = self.keys[place - 1]
        more = place < len(self.keys) and self.keys[place].startswith(prefix)
        return self._xml(bucket, contents, folders, last if more else None).encode()

    def _xml(
        self, bucket: str, contents: Sequence[str], folders: Sequence[str], token: str | None
    ) -> str:
        rows = "".join(
            f"<Contents><Key>{escape(quote(key, safe='/'))}</Key>"
            f"<LastModified>{STAMP}</LastModified><ETag>&quot;{ETAG}&quot;</ETag>"
            f"<Size>{len(self.bodies[key]) if key in self.bodies else self.size}</Size>"
            f"<StorageClass>{self.classes.get(key, 'STANDARD')}</StorageClass></Contents>"
            for key in contents
        )
        rows += "".join(
            f"<CommonPrefixes><Prefix>{escape(quote(folder, safe='/'))}</Prefix></CommonPrefixes>"
            for folder in folders
        )
        told = (
            ""
            if token is None
            else f"<NextContinuationToken>{escape(token)}</NextContinuationToken>"
        )
        return (
            f'<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><Name>{bucket}</Name>'
            f"<EncodingType>url</EncodingType><IsTruncated>{str(token is not None).lower()}"
            f"</IsTruncated>{told if token else ''}{rows}</ListBucketResult>"
        )


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        shelf = self.server.shelf
        shelf.enter(1)
        try:
            if shelf.latency:
                time.sleep(shelf.latency)
            self._tell(*self._found(shelf), body=body)
        finally:
            shelf.enter(-1)

    def _found(self, shelf: CannedBucket) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query, keep_blank_values=True)
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        headers = {name.lower(): value for name, value in self.headers.items()}
        shelf.asked.append((self.command, key, query, headers))
        if not key:
            page = shelf.page(bucket, query)
            return _refused(page) if isinstance(page, Refusal) else (200, {}, page)
        if key in shelf.refusals:
            return _refused(shelf.refusals[key])
        if key not in shelf.bodies:
            return _refused(Refusal(status=404, code="NoSuchKey"))
        return _object(
            shelf.bodies[key], shelf.classes.get(key), None if shelf.whole else headers.get("range")
        )

    def _tell(self, status: int, headers: dict[str, str], content: bytes, *, body: bool) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def _refused(refusal: Refusal) -> tuple[int, dict[str, str], bytes]:
    told = f"<Error><Code>{refusal.code}</Code><Message>No.</Message></Error>"
    return refusal.status, {}, told.encode()


def _object(
    content: bytes, storage_class: str | None, asked: str | None
) -> tuple[int, dict[str, str], bytes]:
    headers = {"ETag": f'"{ETAG}"', "Last-Modified": DATE}
    if storage_class is not None:
        headers["x-amz-storage-class"] = storage_class
    if asked is None:
        return 200, headers, content
    first, _, last = asked.removeprefix("bytes=").partition("-")
    start, stop = int(first), min(int(last or len(content)) + 1, len(content))
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
    return 206, headers, content[start:stop]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    shelf: CannedBucket


class CannedS3:
    """The server, for as long as the block lasts."""

    def __init__(self, shelf: CannedBucket) -> None:
        self.shelf = shelf
        self._server = _Server(("127.0.0.1", 0), _Answering)
        self._server.shelf = shelf
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
