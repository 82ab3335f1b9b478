"""Group commit: the changes of many coroutines in few transactions.

A change is durable when `apply` or `add` returns, so an intent may be followed by its POST. While
one transaction is being written, the next one gathers; where many write, it gathers a little
longer, because a transaction costs more than a change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, cast

from sqlalchemy.orm import Session

from catalog.database import Catalog
from catalog.errors import CatalogBusy, CatalogFull, CatalogReadOnly
from tasks.crashpoints import crash_point

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
    item: Any = None


class GroupWriter:
    """Writes to one catalog from one event loop, one transaction at a time."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="catalog-writer")
        self._waiting: list[_Waiting] = []
        self._writing: asyncio.Task[None] | None = None

    async def apply(self, change: Callable[[Session], T]) -> T:
        """Apply `change` and give what it gave, once it is durable.

        A change that raises undoes only itself. Being cancelled while waiting does not undo a
        change: what was asked for is written.
        """
        return cast("T", await self._written(change, None))

    async def add(self, change: Callable[[Session, Sequence[Item]], Sequence[T]], item: Item) -> T:
        """Apply `change` to `item` and to whatever else waits for the same; as `apply` otherwise.

        `change` gives an answer for each of its items, in order.
        """
        return cast("T", await self._written(change, item))

    async def _written(self, change: Callable[..., Any], item: object) -> object:
        done: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(change, done, item))
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
            group, self._waiting = self._waiting[:_MOST_CHANGES], self._waiting[_MOST_CHANGES:]
            began = loop.time()
            for waiting, result in await loop.run_in_executor(self._thread, self._write, group):
                if waiting.done.cancelled():
                    continue
                if isinstance(result, BaseException):
                    waiting.done.set_exception(result)
                else:
                    waiting.done.set_result(result)
            if len(group) > 1 and len(self._waiting) < _MOST_CHANGES:
                took = loop.time() - began
                await asyncio.sleep(min(_GATHER_TIMES * took, _MOST_GATHER_SECONDS))

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
        except (CatalogBusy, CatalogFull, CatalogReadOnly) as error:
            return [(waiting, error) for waiting in group]
        except Exception as error:  # noqa: BLE001 - handed to whoever asked for the change
            if len(group) == 1:
                return [(group[0], error)]
            return [pair for waiting in group for pair in self._write([waiting])]
        return results


def _apply(session: Session, group: list[_Waiting]) -> list[tuple[_Waiting, Any]]:
    """Apply changes in the order of their first coming, those of many items once for all."""
    together: dict[object, list[_Waiting]] = {}
    for waiting in group:
        alone = waiting.item is None
        together.setdefault(waiting if alone else waiting.change, []).append(waiting)
    results: list[tuple[_Waiting, Any]] = []
    for waitings in together.values():
        change = waitings[0].change
        if waitings[0].item is None:
            results.append((waitings[0], change(session)))
        else:
            answers = change(session, [waiting.item for waiting in waitings])
            results.extend(zip(waitings, answers, strict=True))
    return results


def name_of(change: Callable[..., Any]) -> str:
    """Name a change for people: the function behind it."""
    while isinstance(change, partial):
        change = change.func
    return getattr(change, "__name__", "change").strip("_<>")
