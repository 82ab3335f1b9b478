"""Task groups whose failure is the error that a person can mend, and short calls in few threads.

Going to a thread and back costs more than looking at a file does. Calls that many coroutines make
at the same time therefore share a visit.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from catalog.errors import ReelcatError


@asynccontextmanager
async def together() -> AsyncIterator[asyncio.TaskGroup]:
    """Run tasks as a group; the first failure ends the others.

    Raises a failure that has a sentence for people alone, without the group around it, so that
    whoever catches it need not know that it happened in a group.
    """
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as failures:
        told = telling(failures)
        if told is None:
            raise
        raise told from failures


def telling(failures: BaseExceptionGroup[BaseException]) -> BaseException | None:
    """Give the failure that says most: one for people, or the only one; None if there is none."""
    alone = list(_leaves(failures))
    for one in alone:
        if isinstance(one, ReelcatError):
            return one
    return alone[0] if len(alone) == 1 else None


def _leaves(failure: BaseException) -> list[BaseException]:
    if isinstance(failure, BaseExceptionGroup):
        return [leaf for part in failure.exceptions for leaf in _leaves(part)]
    return [failure]


T = TypeVar("T")

#: A slow disk makes so many wait for each other.
_MOST_AT_ONCE = 32

_Waiting = tuple[Callable[[], Any], asyncio.Future[Any]]


@dataclass(slots=True)
class SharedVisits:
    """Takes calls of one event loop to threads, together."""

    _waiting: list[_Waiting] = field(default_factory=list)
    #: Kept until they are done, because the loop itself does not.
    _visits: set[asyncio.Task[None]] = field(default_factory=set)

    async def call(self, call: Callable[[], T]) -> T:
        """Make `call` in a thread; gives and raises what it does."""
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._set_out)
        self._waiting.append((call, done))
        return cast("T", await done)

    def _set_out(self) -> None:
        waiting, self._waiting = self._waiting, []
        for first in range(0, len(waiting), _MOST_AT_ONCE):
            visit = asyncio.create_task(_visit(waiting[first : first + _MOST_AT_ONCE]))
            self._visits.add(visit)
            visit.add_done_callback(self._visits.discard)


async def _visit(waiting: Sequence[_Waiting]) -> None:
    try:
        results = await asyncio.to_thread(lambda: [_result(call) for call, _ in waiting])
    except BaseException:  # the loop is closing
        for _, done in waiting:
            done.cancel()
        raise
    for (_, done), result in zip(waiting, results, strict=True):
        if done.done():
            continue  # whoever asked was cancelled meanwhile
        if isinstance(result, _Raised):
            done.set_exception(result.error)
        else:
            done.set_result(result)


@dataclass(frozen=True, slots=True)
class _Raised:
    error: Exception


def _result(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except StopIteration as error:  # which no future takes
        return _Raised(RuntimeError(f"StopIteration: {error}"))
    except Exception as error:  # noqa: BLE001 - raised where the call was asked for
        return _Raised(error)
