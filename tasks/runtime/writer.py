"""Group commit: the changes of many coroutines in few transactions.

A change is durable when `apply` or `add_all` returns, so an intent may be followed by its POST.
While one transaction is being written, the next one gathers; where many write, it gathers a little
longer, because a transaction costs more than a change.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar, cast

from sqlalchemy.orm import Session

from catalog.database import Catalog
from catalog.errors import CatalogBusy, CatalogFull, CatalogReadOnly, CatalogReplaced
from tasks.foundation.crashpoints import crash_point

T = TypeVar("T")
Item = TypeVar("Item")

#: Keeps one transaction short enough for other processes to get their turn.
_MOST_CHANGES = 200
#: After a transaction that took several, changes gather so many times as long as it took, so that
#: writing takes a small part of the time however fast the disk is; but not longer than that.
_GATHER_TIMES = 8
_MOST_GATHER_SECONDS = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    change: Callable[..., Any]
    done: asyncio.Future[Any]
    #: What `change` takes together with others; None where it is a change of its own.
    items: Sequence[Any] | None = None

    @property
    def size(self) -> int:
        return 1 if self.items is None else len(self.items)


class GroupWriter:
    """Writes to one catalog from one event loop, one transaction at a time."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="catalog-writer")
        self._waiting: list[_Waiting] = []
        #: How many changes wait: several for one who waits for several.
        self._changes = 0
        #: Set once no more would go into one transaction.
        self._many = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None

    async def apply(self, change: Callable[[Session], T]) -> T:
        """Apply `change` and give what it gave, once it is durable.

        A change that raises undoes only itself. Being cancelled while waiting does not undo a
        change: what was asked for is written.
        """
        return cast("T", await self._written(change, None))

    async def add_all(
        self, change: Callable[[Session, Sequence[Item]], Sequence[T]], items: Sequence[Item]
    ) -> Sequence[T]:
        """Apply `change` to `items` and to whatever else waits for the same; as `apply` otherwise.

        `change` gives an answer for each of its items, in order. Raises the first failure, once all
        that could be written are.
        """
        return cast("Sequence[T]", await self._written(change, items))

    async def _written(self, change: Callable[..., Any], items: Sequence[Any] | None) -> object:
        done: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(change, done, items)
        self._waiting.append(waiting)
        self._changes += waiting.size
        if self._changes >= _MOST_CHANGES:
            self._many.set()
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())
        return await done

    async def close(self) -> None:
        """Finish what was asked for."""
        while self._writing is not None and not self._writing.done():
            await asyncio.wait([self._writing])
        self._thread.shutdown(wait=False)

    async def _write_all(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            group = self._next_group()
            began = loop.time()
            for waiting, result in await loop.run_in_executor(self._thread, self._write, group):
                if waiting.done.cancelled():
                    continue
                if isinstance(result, BaseException):
                    waiting.done.set_exception(result)
                else:
                    waiting.done.set_result(result)
            if len(group) > 1 and self._changes < _MOST_CHANGES:
                took = loop.time() - began
                await self._gather(min(_GATHER_TIMES * took, _MOST_GATHER_SECONDS))

    def _next_group(self) -> list[_Waiting]:
        """Take as many as go into one transaction, at least one."""
        sizes = itertools.accumulate(waiting.size for waiting in self._waiting)
        count = max(1, sum(1 for size in sizes if size <= _MOST_CHANGES))
        group, self._waiting = self._waiting[:count], self._waiting[count:]
        self._changes -= sum(waiting.size for waiting in group)
        return group

    async def _gather(self, seconds: float) -> None:
        """Wait for more changes, but no longer than until there are enough."""
        self._many.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._many.wait()

    def _write(self, group: list[_Waiting]) -> list[tuple[_Waiting, Any]]:
        """Write a group in one transaction; if one of them fails, each change in its own.

        Where none can be written, another try would only make everybody wait longer; a connection
        that was lost may be there again.
        """
        names = {name_of(waiting.change) for waiting in group}
        try:
            for name in names:
                crash_point(f"{name}: before commit")
            results = self._catalog.write(lambda session: _apply(session, group))
            for name in names:
                crash_point(f"{name}: after commit")
        except (CatalogBusy, CatalogFull, CatalogReadOnly, CatalogReplaced) as error:
            return [(waiting, error) for waiting in group]
        except Exception as error:  # noqa: BLE001 - handed to whoever asked for the change
            if len(group) == 1:
                return [(group[0], self._write_each(group[0]) if group[0].size > 1 else error)]
            return [pair for waiting in group for pair in self._write([waiting])]
        return results

    def _write_each(self, waiting: _Waiting) -> Any:
        """Write each item of one caller in its own transaction; gives a failure if there is one."""
        each = [replace(waiting, items=[item]) for item in waiting.items or ()]
        results = [result for one in each for _, result in self._write([one])]
        failures = (result for result in results if isinstance(result, BaseException))
        answers = (result[0] for result in results if not isinstance(result, BaseException))
        return next(failures, None) or list(answers)


def _apply(session: Session, group: list[_Waiting]) -> list[tuple[_Waiting, Any]]:
    """Apply changes in the order of their first coming, those of many items once for all."""
    together: dict[object, list[_Waiting]] = {}
    for waiting in group:
        alone = waiting.items is None
        together.setdefault(waiting if alone else waiting.change, []).append(waiting)
    results: list[tuple[_Waiting, Any]] = []
    for waitings in together.values():
        change = waitings[0].change
        if waitings[0].items is None:
            results.append((waitings[0], change(session)))
            continue
        answers = iter(change(session, [item for one in waitings for item in one.items or ()]))
        results.extend((one, list(itertools.islice(answers, one.size))) for one in waitings)
    return results


def name_of(change: Callable[..., Any]) -> str:
    """Name a change for people: the function behind it."""
    while isinstance(change, partial):
        change = change.func
    return getattr(change, "__name__", "change").strip("_<>")
