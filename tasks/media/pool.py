"""Looks at many files in child processes, so that a crash or a hang costs one file.

Files travel to the children in batches, because a round trip costs as much as a look. A batch that
does not come back is looked at again file by file, and only the guilty one is given up.
"""

from __future__ import annotations

import asyncio
import math
import os
import signal
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from types import TracebackType
from typing import Self, TypeAlias

from pebble import ProcessExpired, ProcessPool

from catalog.values import Inspection, Listing
from tasks.foundation.processes import not_from_the_current_folder
from tasks.media import child
from tasks.media.child import Look, looks_at
from tasks.media.confinement import OUT_OF_MEMORY, OUT_OF_MEMORY_SENTENCE, ConfinedContext
from tasks.media.inspect import InspectOptions, failed
from tasks.storage.registry import Stores
from tasks.storage.uris import scheme_of

#: Longer batches save nothing more and make a hang cost more looks.
MOST_BATCH = 32
#: For a child to start, load FFmpeg and be noticed dead.
GRACE_SECONDS = 30
#: A pool may break through no fault of the batch that was waiting in it.
MOST_POOLS_PER_BATCH = 3

_Waiting: TypeAlias = tuple[Listing, "asyncio.Future[Inspection]"]


class _Lost(Exception):
    """A batch will never come back; carries the sentence that says why."""


class InspectPool:
    """A pool of children that inspect files: `async with InspectPool(stores) as pool: ...`.

    Children start with the first file. For one event loop.
    """

    def __init__(
        self,
        stores: Stores,
        *,
        options: InspectOptions | None = None,
        workers: int | None = None,
        threads_per_worker: int = 1,
        proxies: Mapping[str, str] | None = None,
        timeout_seconds: float = 60,
    ) -> None:
        """Prepare a pool.

        Args:
            stores: open locations; each child makes its own of the same options.
            options: how to look; the defaults ask PyAV alone.
            workers: children; the processors of this machine if None.
            threads_per_worker: files that one child looks at together; more than one where the
                answers come from far away.
            proxies: variables that children need to get out, and that hold passwords.
            timeout_seconds: after which a child that works on one file, or on a batch, is killed.
        """
        self._workers = workers or os.cpu_count() or 1
        self._timeout_seconds = timeout_seconds
        self._stores = stores
        self._initial = (stores, options or InspectOptions(), threads_per_worker, proxies or {})
        self._pool: ProcessPool | None = None
        self._waiting: deque[_Waiting] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._imports = ExitStack()

    async def __aenter__(self) -> Self:
        self._imports.enter_context(not_from_the_current_folder())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for _, future in self._waiting:
            future.cancel()
        self._waiting.clear()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._drop(self._pool)
        self._imports.close()

    async def inspect(self, listing: Listing) -> Inspection:
        """Fingerprint and probe one location. Never raises for what the file does."""
        return (await self.inspect_all([listing]))[0]

    async def inspect_all(self, listings: Sequence[Listing]) -> list[Inspection]:
        """Fingerprint and probe several, and answer in their order; as `inspect` otherwise."""
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[Inspection]] = [loop.create_future() for _ in listings]
        self._waiting.extend(zip(listings, futures, strict=True))
        # Not at once: whoever asks for many files does so in one go.
        loop.call_soon(self._dispatch)
        return await asyncio.gather(*futures)

    def _dispatch(self) -> None:
        """Send batches as long as there is a child to take one, and one more for each."""
        while self._waiting and len(self._running) < 2 * self._workers:
            fair_share = math.ceil(len(self._waiting) / (2 * self._workers))
            count = min(fair_share, MOST_BATCH)
            batch = [self._waiting.popleft() for _ in range(count)]
            task = asyncio.create_task(self._inspect_batch(batch))
            self._running.add(task)
            task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._dispatch()

    async def _inspect_batch(self, batch: list[_Waiting]) -> None:
        """Give everyone in a batch an answer, whatever happens to it."""
        try:
            await self._answer(batch)
        except asyncio.CancelledError:
            for _, future in batch:
                future.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - a bug belongs to whoever asked
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)

    async def _answer(self, batch: list[_Waiting]) -> None:
        try:
            inspections = await self._ask([listing for listing, _ in batch])
        except _Lost as lost:
            if len(batch) > 1:
                for alone in batch:
                    await self._answer([alone])
                return
            inspections = [failed(batch[0][0], str(lost))]
        for (_, future), inspection in zip(batch, inspections, strict=True):
            if not future.done():  # whoever asked may have gone
                future.set_result(inspection)

    async def _ask(self, listings: Sequence[Listing]) -> list[Inspection]:
        """Inspect a batch, in the order of its listings; as `_have_inspected` otherwise."""
        if any(scheme_of(listing.uri) == "s3" for listing in listings):
            looks = await asyncio.to_thread(looks_at, self._stores, listings)
        else:
            looks = [(listing, None) for listing in listings]
        allowed = [look for look in looks if not isinstance(look, Inspection)]
        found = iter(await self._have_inspected(allowed) if allowed else ())
        return [look if isinstance(look, Inspection) else next(found) for look in looks]

    async def _have_inspected(self, looks: Sequence[Look]) -> list[Inspection]:
        """Have a child inspect a batch. Raises _Lost if it took the child along."""
        for _ in range(MOST_POOLS_PER_BATCH):
            if self._pool is None:
                self._pool = self._new_pool()
            pool = self._pool
            try:
                future = pool.schedule(
                    child.inspect_batch,
                    args=(looks, self._timeout_seconds),
                    timeout=self._timeout_seconds,
                )
                # Besides the pool's own limit: an answer that got lost with its child never comes.
                async with asyncio.timeout(2 * self._timeout_seconds + GRACE_SECONDS):
                    return await asyncio.wrap_future(future)
            except TimeoutError as error:
                if future.cancelled():  # it was ours, and the child may hang for good
                    await self._drop(pool)
                raise _Lost(
                    f"Looking at the file took longer than {self._timeout_seconds:g} seconds and "
                    "was stopped."
                ) from error
            except ProcessExpired as error:
                raise _Lost(_last_words(error.exitcode)) from error
            except (BrokenProcessPool, RuntimeError):
                await self._drop(pool)
        raise _Lost("The probing process could not be started.")

    def _new_pool(self) -> ProcessPool:
        return ProcessPool(
            max_workers=self._workers,
            initializer=child.begin,
            initargs=self._initial,
            context=ConfinedContext(),
        )

    async def _drop(self, pool: ProcessPool | None) -> None:
        """Stop a pool, once; the next batch starts another."""
        if pool is None or pool is not self._pool:
            return
        self._pool = None
        pool.stop()  # type: ignore[no-untyped-call]  # pebble leaves it unannotated
        await asyncio.to_thread(pool.join)


def _last_words(exit_code: int) -> str:
    if exit_code == OUT_OF_MEMORY:
        return OUT_OF_MEMORY_SENTENCE
    return f"The probing process died on this file ({_cause(exit_code)})."


def _cause(exit_code: int) -> str:
    if exit_code >= 0:
        return f"exit {exit_code}"
    try:
        return signal.Signals(-exit_code).name
    except ValueError:
        return f"signal {-exit_code}"
