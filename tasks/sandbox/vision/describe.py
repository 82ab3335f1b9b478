"""Describes videos by FFmpeg's measurements, in place of a model.

Child processes measure. Each video is measured once for several tasks.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from decimal import Decimal
from pathlib import Path
from typing import Final, TypeVar

from pebble import ProcessExpired, ProcessPool

from catalog.values import AnalysisType, Inspection, Listing
from tasks.media import child
from tasks.media.confinement import (
    OUT_OF_MEMORY,
    OUT_OF_MEMORY_SENTENCE,
    ConfinedContext,
    limit_processor_time,
)
from tasks.media.inspect import InspectOptions
from tasks.sandbox.provider import Model
from tasks.sandbox.vision.answers import word
from tasks.sandbox.vision.measure import measure
from tasks.sandbox.vision.signals import NotDescribable, Signals
from tasks.storage.registry import PerProcess, Stores


def describe(
    path: str, task: AnalysisType, instructions: str | None, *, deadline: float | None = None
) -> str:
    """Say in English what can be measured of the video at `path`.

    Blocks while it decodes (without the GIL); call it in a thread. `deadline` is an instant of
    `time.monotonic()` at which measuring stops with what there is.

    Raises:
        NotDescribable: There is no moving picture in it, or none that can be decoded.
    """
    return word(measure(path, deadline=deadline), task, instructions)


class Describer:
    """Describes videos and remembers the last few measurements.

    Thread-safe. Whoever asks for a video that is being measured waits for that measurement instead
    of starting another. A measurement that failed, or met its deadline, is not remembered.

    Args:
        remembered: How many measurements are kept; one takes a few kilobytes.
        measuring: Measures a video by its path; by default in this process, which is not for films
            of strangers.
    """

    def __init__(
        self, *, remembered: int = 64, measuring: Callable[[str], Signals] | None = None
    ) -> None:
        self._remembered = remembered
        self._measuring = measuring
        self._lock = threading.Lock()
        self._measurements: OrderedDict[str, Future[Signals]] = OrderedDict()

    def describe(
        self,
        identity: str,
        path: str,
        task: AnalysisType,
        instructions: str | None,
        *,
        deadline: float | None = None,
    ) -> str:
        """As the function of that name; `identity` says which videos are the same bytes."""
        return word(self.measure(identity, path, deadline=deadline), task, instructions)

    def measure(self, identity: str, path: str, *, deadline: float | None = None) -> Signals:
        """The signals of a video, measured now or before."""
        with self._lock:
            known = self._measurements.get(identity)
            mine: Future[Signals] = known or Future()
            self._measurements[identity] = mine
            self._measurements.move_to_end(identity)
            if len(self._measurements) > self._remembered:
                self._measurements.popitem(last=False)
        if known is None:
            self._run(identity, mine, path, deadline)
        return mine.result()

    def _run(
        self, identity: str, measurement: Future[Signals], path: str, deadline: float | None
    ) -> None:
        try:
            if self._measuring is not None:
                signals = self._measuring(path)
            else:
                signals = measure(path, deadline=deadline)
        except BaseException as error:  # noqa: BLE001 - whoever waits must hear of it, whatever it is
            self._forget(identity, measurement)
            measurement.set_exception(error)
            return
        if deadline is not None and time.monotonic() >= deadline:
            self._forget(identity, measurement)
        measurement.set_result(signals)

    def _forget(self, identity: str, measurement: Future[Signals]) -> None:
        with self._lock:
            if self._measurements.get(identity) is measurement:
                del self._measurements[identity]


def measure_duration(path: str) -> Decimal | None:
    """Give the seconds of the video at `path`, as probing measures them; None if it cannot."""
    location = Path(path).absolute()
    status = location.stat()
    listing = Listing(
        uri=location.as_uri(),
        name=location.name,
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
    )
    try:
        return _pool.get().inspect(listing).probe.duration_seconds
    except NotDescribable:
        return None


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


#: For all sandboxes of this process, and as long as it lasts.
_pool = PerProcess(MeasuringPool)


def new_model() -> Model:
    """Make a model that describes what can be measured, and measures each video once."""
    describer = Describer(measuring=lambda path: _pool.get().measure(path))

    def describe(path: str, task: str, instructions: str | None) -> str:
        found = os.stat(path)  # noqa: PTH116 - a path of any spelling
        # Not the path: it may be that of a descriptor, which leads to another file tomorrow.
        identity = f"{found.st_dev} {found.st_ino} {found.st_size} {found.st_ctime_ns}"
        return describer.describe(identity, path, AnalysisType(task), instructions)

    return describe
