"""Reading a remote file in blocks, so that a demuxer's hundred small reads are a few requests.

Owns which bytes to ask for, what is kept, and what it may cost; `fetch` of a subclass does the
asking. A request is for several blocks, from the one that is wanted on; blocks are small, so that
it begins close to that place. A file read in sequence is asked for in growing runs.
"""

from __future__ import annotations

from collections import OrderedDict

from tenacity import (
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from tasks.storage.errors import FileChanged, ReadCapReached, ReadInterrupted
from tasks.storage.store import CountedReader, ReadCaps

BLOCK_BYTES = 64 * 1024

#: Blocks a request: from 256 KiB, which takes hardly longer than a byte does, to 2 MiB.
_SHORTEST_RUN = 4
_LONGEST_RUN = 32
#: Two of the longest.
_KEPT_BLOCKS = 2 * _LONGEST_RUN


class BlockReader(CountedReader):
    """A file object over ranged requests; subclasses say how one is made."""

    def __init__(self, uri: str, *, size: int, caps: ReadCaps) -> None:
        super().__init__(size=size)
        self.uri = uri
        self._caps = caps
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._run = _SHORTEST_RUN
        self._after_run = -1
        self._followed = False

    def fetch(self, start: int, stop: int) -> bytes:
        """Ask for the bytes [start, stop) in one request, counting it in `requests`.

        Raises:
            ReadInterrupted: the answer broke off; asked again a few times.
            StoreError: anything else; not asked again.
        """
        raise NotImplementedError

    def _read_at(self, position: int, into: memoryview) -> int:
        filled = 0
        first, last = position // BLOCK_BYTES, (position + len(into) - 1) // BLOCK_BYTES
        # Who asks for much at once knows how much; behind a little there may be more.
        least = 1 if last - first + 1 >= _SHORTEST_RUN else _SHORTEST_RUN
        while filled < len(into):
            index, offset = divmod(position + filled, BLOCK_BYTES)
            if index not in self._blocks:
                self._fetch_run(index, last, least)
            self._blocks.move_to_end(index)
            part = self._blocks[index][offset : offset + len(into) - filled]
            into[filled : filled + len(part)] = part
            filled += len(part)
        return filled

    def _fetch_run(self, index: int, last: int, least: int) -> None:
        """Fetch a missing block, and with it those up to `last` that fit a run."""
        # The first run that follows one may be the last that is wanted.
        follows = index == self._after_run
        grows = follows and self._followed
        wanted = min(last - index + 1, _LONGEST_RUN)
        self._run = max(min(2 * self._run, _LONGEST_RUN) if grows else least, wanted)
        self._followed = follows
        blocks_in_file = -(-self.size // BLOCK_BYTES)
        end = min(index + self._run, blocks_in_file)
        end = next((known for known in range(index + 1, end) if known in self._blocks), end)
        self._after_run = end
        start, stop = index * BLOCK_BYTES, min(end * BLOCK_BYTES, self.size)
        data = self._fetch_within_caps(start, stop)
        for offset in range(0, len(data), BLOCK_BYTES):
            self._blocks[index + offset // BLOCK_BYTES] = data[offset : offset + BLOCK_BYTES]
        while len(self._blocks) > _KEPT_BLOCKS:
            self._blocks.popitem(last=False)

    def _fetch_within_caps(self, start: int, stop: int) -> bytes:
        caps = self._caps
        if caps.max_requests is not None and self.requests >= caps.max_requests:
            raise ReadCapReached(self.uri, f"it took more than {caps.max_requests} requests")
        if caps.max_bytes is not None and self.bytes_read + stop - start > caps.max_bytes:
            raise ReadCapReached(self.uri, f"it took more than {caps.max_bytes} bytes")
        retrying = Retrying(
            retry=retry_if_exception_type(ReadInterrupted),
            stop=stop_after_attempt(3),
            wait=wait_random_exponential(multiplier=0.2, max=5),
            reraise=True,
        )
        data = retrying(self.fetch, start, stop)
        if len(data) != stop - start:
            raise FileChanged(self.uri)
        self.bytes_read += len(data)
        return data
