"""Task groups whose failure is the error that a person can mend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

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
