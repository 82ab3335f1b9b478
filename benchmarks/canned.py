"""A bucket that answers listings and nothing else, in a process of its own."""

from __future__ import annotations

import contextlib
import multiprocessing
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import archive

#: What a client has to be told to talk to it.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "canned",
    "AWS_SECRET_ACCESS_KEY": "canned",
    "AWS_DEFAULT_REGION": "us-east-1",
}
_PAGE = 1000


@contextlib.contextmanager
def server(keys: int) -> Iterator[str]:
    """Serve a bucket of so many keys, those of `archive`; gives its address."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, keys), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}"
    finally:
        process.terminate()
        process.join()


def _serve(pipe: Connection, keys: int) -> None:
    class Bucket(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = parse_qs(urlsplit(self.path).query)
            start = int(asked.get("continuation-token", ["0"])[0])
            body = _page(start, keys)
            self.send_response(200)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Bucket) as bucket:
        pipe.send(bucket.server_address[1])
        bucket.serve_forever()


def _page(start: int, keys: int) -> bytes:
    stop = min(start + _PAGE, keys)
    more = (
        f"<IsTruncated>true</IsTruncated><NextContinuationToken>{stop}</NextContinuationToken>"
        if stop < keys
        else "<IsTruncated>false</IsTruncated>"
    )
    contents = "".join(
        f"<Contents><Key>{archive.name_of(number)}</Key>"
        f"<LastModified>{archive.modified_at(number):%Y-%m-%dT%H:%M:%S}.000Z</LastModified>"
        f'<ETag>"{archive.etag_of(number)}"</ETag><Size>0</Size>'
        "<StorageClass>STANDARD</StorageClass></Contents>"
        for number in range(start, stop)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>films</Name><KeyCount>{stop - start}</KeyCount><MaxKeys>{_PAGE}</MaxKeys>"
        f"{more}{contents}</ListBucketResult>"
    ).encode()


#: Of every object that `objects` serves.
ETAG = "f00d"


@contextlib.contextmanager
def objects(folder: Path) -> Iterator[str]:
    """Serve ranges of the files in a folder as objects of any bucket; gives the address."""

    class Bucket(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = folder / urlsplit(self.path).path.rpartition("/")[2]
            size = path.stat().st_size
            first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
            start, stop = int(first), min(int(last) + 1, size)
            with path.open("rb") as file:
                file.seek(start)
                body = file.read(stop - start)
            self.send_response(206)
            self.send_header("ETag", f'"{ETAG}"')
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Bucket) as bucket:
        thread = threading.Thread(target=bucket.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{bucket.server_address[1]}"
        finally:
            bucket.shutdown()
            thread.join()
