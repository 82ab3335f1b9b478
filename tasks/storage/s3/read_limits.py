"""botocore's way to the network, with an end to what it reads into memory.

botocore takes listings and refusals whole, however long they are; bodies of objects are read by
whoever asked for them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ResponseStreamingError
from urllib3.exceptions import HTTPError as TransportError

#: A listing of a thousand keys, each as long as a key can be, stays below.
MOST_BYTES = 32 * 1024 * 1024
#: Of one such answer, however slowly it drips.
MOST_SECONDS = 300.0
_BLOCK = 64 * 1024


class BoundedSession:
    """A session of botocore's that reads no answer without end."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def send(self, request: Any) -> Any:
        """Send a request; only the body of an object is left to be read."""
        is_object, request.stream_output = request.stream_output, True
        response = self._inner.send(request)
        if not is_object or response.status_code >= 300:
            response._content = _whole(response.raw)  # noqa: SLF001 - where botocore keeps it
        return response

    def close(self) -> None:
        """Close all connections."""
        self._inner.close()


def bound(client: Any) -> None:
    """Have a client's answers end."""
    endpoint = client._endpoint  # noqa: SLF001 - there is no other way to it
    endpoint.http_session = BoundedSession(endpoint.http_session)


def read_at_most(body: Any, most: int) -> bytes | None:
    """Read an object's body to its end; None if it is longer than `most`.

    Raises:
        ResponseStreamingError: it does not end in time.
    """
    found = bytearray()
    for block in read_in_time(body, MOST_SECONDS):
        found += block
        if len(found) > most:
            return None
    return bytes(found)


def read_in_time(body: Any, seconds: float, *, least_rate: float | None = None) -> Iterator[bytes]:
    """Yield an object's body as it comes.

    `least_rate`: bytes a second at which a body may take longer.

    Raises:
        ResponseStreamingError: it does not end in time.
    """
    start, size = time.monotonic(), 0
    for block in _blocks(body):
        yield block
        size += len(block)
        more = 0.0 if least_rate is None else size / least_rate
        if time.monotonic() - start > seconds + more:
            raise ResponseStreamingError(error="the answer does not end")


def _whole(raw: Any) -> bytes:
    deadline = time.monotonic() + MOST_SECONDS
    found = bytearray()
    for block in _blocks(raw):
        found += block
        if len(found) > MOST_BYTES or time.monotonic() > deadline:
            raw.close()
            raise ResponseStreamingError(error="the answer does not end")
    return bytes(found)


def _blocks(raw: Any) -> Iterator[bytes]:
    try:
        while block := raw.read1(_BLOCK):  # whatever has come, so that the deadline is looked at
            yield block
    except TransportError as error:
        raise ResponseStreamingError(error=type(error).__name__) from error
