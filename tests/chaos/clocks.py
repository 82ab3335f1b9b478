"""The clocks of one process of the product, turned from outside while it runs.

Two numbers in memory that is shared over a fork: how far the time of day is ahead of the machine's,
and how far the monotonic clock is. They part company where a machine is suspended, or set right.
"""

from __future__ import annotations

import mmap
import struct
import time
from datetime import datetime, timedelta

from catalog.values import utc_now

_SECONDS = struct.Struct("d")
_MONOTONIC = {
    getattr(time, name)
    for name in ("CLOCK_MONOTONIC", "CLOCK_MONOTONIC_RAW", "CLOCK_BOOTTIME")
    if hasattr(time, name)
}


class Clocks:
    """Made before the fork; turned by the parent, read by the child."""

    def __init__(self, *, ahead: float):
        self._memory = mmap.mmap(-1, 2 * _SECONDS.size)
        self.turn(day=ahead)

    def turn(self, *, day: float = 0.0, monotonic: float = 0.0) -> None:
        """Turn either by so many seconds."""
        _SECONDS.pack_into(self._memory, 0, self._read(0) + day)
        _SECONDS.pack_into(self._memory, _SECONDS.size, self._read(1) + monotonic)

    def now(self) -> datetime:
        """Say what time of day it is."""
        return utc_now() + timedelta(seconds=self._read(0))

    def install(self) -> None:
        """Let this process's monotonic clock be this one, for asyncio and everything else."""
        monotonic, monotonic_ns, gettime = time.monotonic, time.monotonic_ns, time.clock_gettime

        def read(clock: int) -> float:
            return gettime(clock) + (self._read(1) if clock in _MONOTONIC else 0.0)

        time.monotonic = lambda: monotonic() + self._read(1)
        time.monotonic_ns = lambda: monotonic_ns() + int(self._read(1) * 1e9)
        time.clock_gettime = read

    def close(self) -> None:
        self._memory.close()

    def _read(self, place: int) -> float:
        return _SECONDS.unpack_from(self._memory, place * _SECONDS.size)[0]
