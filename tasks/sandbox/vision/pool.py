"""Measures videos in child processes, so that a crash, a hang or a greedy film costs one answer."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from typing import Final, TypeVar

from pebble import ProcessExpired, ProcessPool

from catalog.values import Inspection, Listing
from tasks.media import child
from tasks.media.confinement import (
    OUT_OF_MEMORY,
    OUT_OF_MEMORY_SENTENCE,
    ConfinedContext,
    limit_processor_time,
)
from tasks.media.inspect import InspectOptions
from tasks.sandbox.vision.measure import measure
from tasks.sandbox.vision.signals import NotDescribable, Signals
from tasks.storage.registry import Stores

Given = TypeVar("Given")

#: Measuring two minutes of 8K takes half of it on one core; after it, what was measured stands.
MEASURING_SECONDS: Final = 120.0
#: For the little that comes after, before a child is killed that does not end by itself.
GRACE_SECONDS: Final = 60.0
#: A pool may break through no fault of the video that was waiting in it.
_MOST_POOLS_PER_VIDEO: Final = 3


class MeasuringPool:
    """Children that measure videos, for threads that wait. They start with the first video.

    Args:
        seconds: measured at most; what there is by then stands.
        grace_seconds: after which a child that has not ended by then is killed.
    """

    def __init__(
        self, *, seconds: float = MEASURING_SECONDS, grace_seconds: float = GRACE_SECONDS
    ) -> None:
        self._seconds = seconds
        self._limit = seconds + grace_seconds
        self._lock = threading.Lock()
        self._pool: ProcessPool | None = None

    def measure(self, path: str) -> Signals:
        """Measure the video at `path`.

        Raises:
            NotDescribable: as `measuring.measure`, or it was too much for a child.
        """
        return self._ask(_measure, path, self._seconds, self._limit)

    def inspect(self, listing: Listing) -> Inspection:
        """Look at a file as for probing.

        Raises:
            NotDescribable: it was too much for a child.
        """
        return self._ask(child.inspect_batch, [(listing, None)], self._limit)[0]

    def close(self) -> None:
        """End the children; another video starts others."""
        self._drop(self._pool)

    def _drop(self, pool: ProcessPool | None) -> None:
        """End a pool, once."""
        with self._lock:
            if pool is None or pool is not self._pool:
                return
            self._pool = None
        pool.stop()  # type: ignore[no-untyped-call]  # pebble leaves it unannotated
        pool.join()

    def _ask(self, function: Callable[..., Given], *arguments: object) -> Given:
        for _ in range(_MOST_POOLS_PER_VIDEO):
            pool = self._started()
            try:
                return pool.schedule(function, args=arguments, timeout=self._limit).result()
            except TimeoutError as error:
                raise NotDescribable(
                    f"Looking at the video took longer than {self._limit:g} seconds and was "
                    "stopped. Play it to see whether it is whole."
                ) from error
            except ProcessExpired as error:
                raise NotDescribable(_last_words(error.exitcode)) from error
            except (BrokenProcessPool, RuntimeError):
                self._drop(pool)
        raise NotDescribable("The describing process could not be started. Try again.")

    def _started(self) -> ProcessPool:
        with self._lock:
            if self._pool is None:
                self._pool = ProcessPool(
                    max_workers=os.cpu_count() or 1,
                    initializer=child.begin,
                    initargs=(Stores(), InspectOptions(), 1, {}),
                    context=ConfinedContext(),
                )
            return self._pool


def _measure(path: str, seconds: float, limit: float) -> Signals:
    """Measure in a child."""
    limit_processor_time(limit)
    try:
        return measure(path, deadline=time.monotonic() + seconds)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)


def _last_words(exit_code: int) -> str:
    if exit_code == OUT_OF_MEMORY:
        return f"{OUT_OF_MEMORY_SENTENCE} Make a smaller copy and describe that."
    return "The describing process died on this video. Play it to see whether it is whole."
