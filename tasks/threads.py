"""Short blocking calls of many coroutines, made in few visits to a thread.

Going to a thread and back costs more than looking at a file does. Calls that are asked for in one
turn of the event loop are made one after the other in one visit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

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
