"""Blocking calls that visit a thread together."""

from __future__ import annotations

import asyncio
import threading
from functools import partial

import pytest

from tasks.foundation.concurrency import SharedVisits


def test_calls_of_one_turn_are_made_in_one_visit_in_their_order():
    async def scenario() -> None:
        visits, made = SharedVisits(), []

        def call(number: int) -> int:
            made.append((number, threading.current_thread()))
            return number * number

        given = await asyncio.gather(*(visits.call(partial(call, number)) for number in range(5)))
        assert given == [0, 1, 4, 9, 16]
        assert [number for number, _ in made] == [0, 1, 2, 3, 4]
        assert len({thread for _, thread in made}) == 1
        assert threading.current_thread() not in {thread for _, thread in made}

    asyncio.run(scenario())


def test_many_calls_need_not_wait_for_all_of_them():
    async def scenario() -> None:
        visits, barrier = SharedVisits(), threading.Barrier(2)
        # The first and the last are in different visits: they meet only if both are under way.
        calls = [barrier.wait, *[int] * 40, barrier.wait]
        given = await asyncio.wait_for(asyncio.gather(*map(visits.call, calls)), 20)
        assert sorted((given[0], given[-1])) == [0, 1]

    asyncio.run(scenario())


def test_what_a_call_raises_is_raised_where_it_was_asked_for_and_nowhere_else():
    async def scenario() -> None:
        visits = SharedVisits()

        def fail() -> None:
            raise LookupError("not here")

        first, second = await asyncio.gather(
            visits.call(fail), visits.call(lambda: "found"), return_exceptions=True
        )
        assert isinstance(first, LookupError)
        assert second == "found"

    asyncio.run(scenario())


def test_one_who_is_cancelled_takes_nothing_from_the_others():
    async def scenario() -> None:
        visits, go_on = SharedVisits(), threading.Event()
        waiting = [asyncio.ensure_future(visits.call(go_on.wait)) for _ in range(2)]
        await asyncio.sleep(0.05)
        waiting[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting[0]
        go_on.set()
        assert await asyncio.wait_for(waiting[1], 20) is True
        assert await visits.call(lambda: 3) == 3

    asyncio.run(scenario())
