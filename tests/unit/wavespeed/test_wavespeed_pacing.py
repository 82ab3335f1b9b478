import asyncio
from dataclasses import FrozenInstanceError

import pytest
from virtual_time import in_no_time

from tasks.wavespeed.pacing import TIERS, Share, StartPacer


async def starts(pacer, count):
    """When each of so many starts passed, all of which wanted to at once."""
    loop, passed = asyncio.get_running_loop(), []

    async def one():
        await pacer.turn()
        passed.append(loop.time())

    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(one())
    return passed


def most_in_any_minute(passed):
    return max(sum(1 for other in passed if first <= other < first + 60.0) for first in passed)


@pytest.mark.parametrize(
    ("per_minute", "minutes"), [(1, 20), (2, 20), (60, 4), (500, 3), (1200, 2)]
)
def test_no_minute_has_more_starts_than_the_account_may_make(per_minute, minutes):
    passed = in_no_time(starts(StartPacer(per_minute), per_minute * minutes))
    assert most_in_any_minute(passed) <= per_minute


@pytest.mark.parametrize("per_minute", [2, 60, 500, 3000, 5000])
def test_hardly_any_start_is_left_unused(per_minute):
    count = per_minute * 2
    passed = in_no_time(starts(StartPacer(per_minute), count))
    assert passed[-1] - passed[0] <= 2 * 60 * 1.02


@pytest.mark.parametrize("per_minute", [2, 500, 1200, 5000])
def test_starts_that_are_let_go_in_groups_keep_to_the_same_pace(per_minute):
    async def grouped():
        loop, pacer, passed = asyncio.get_running_loop(), StartPacer(per_minute), []
        while len(passed) < 2 * per_minute:
            count = await pacer.turns(200)
            passed += [loop.time()] * count
        return passed

    passed = in_no_time(grouped())
    assert most_in_any_minute(passed) <= per_minute
    assert passed[-1] - passed[0] <= 2 * 60 * 1.02


def test_the_first_start_waits_for_nothing():
    passed = in_no_time(starts(StartPacer(2), 1))
    assert passed == [pytest.approx(1000.0, abs=0.001)]


def test_nothing_starts_during_a_pause_and_there_is_no_rush_after_it():
    async def paused():
        pacer = StartPacer(60)
        pacer.pause(300.0)
        pacer.pause(10.0)
        return await starts(pacer, 120)

    passed = in_no_time(paused())
    assert passed[0] == pytest.approx(1300.0)
    assert most_in_any_minute(passed) <= 60


def test_a_pause_that_begins_while_others_wait_holds_for_them_too():
    async def paused_on_the_way():
        pacer = StartPacer(60)
        asyncio.get_running_loop().call_later(30.5, pacer.pause, 100.0)
        return await starts(pacer, 90)

    passed = in_no_time(paused_on_the_way())
    assert not [at for at in passed if 1030.5 < at < 1130.5]


def test_the_tiers_are_the_documented_ones():
    assert [(t.name, t.starts_per_minute, t.in_flight) for t in TIERS.values()] == [
        ("bronze", 2, 2),
        ("silver", 500, 300),
        ("gold", 3_000, 3_000),
        ("ultra", 5_000, 10_000),
    ]
    with pytest.raises(FrozenInstanceError):
        TIERS["gold"].in_flight = 1


def test_a_refusal_takes_a_part_of_the_pace_and_time_gives_it_back():
    share = Share()
    assert share.at(0) == 1
    share.refused(10)
    assert share.at(10) == pytest.approx(0.7)
    share.refused(10.5)  # it was under way when the first one was refused
    assert share.at(10.5) == pytest.approx(0.725)
    share.refused(12)
    assert share.at(12) == pytest.approx(0.7 * 0.8)
    assert share.at(21) == 1


def test_a_pace_of_which_little_is_refused_is_slowed_by_as_much():
    share = Share()
    for second in range(100):
        for _ in range(9):
            share.accepted()
        share.refused(second)
    assert 0.4 < share.at(100) < 0.6
    for second in range(100, 200):
        for _ in range(99):
            share.accepted()
        share.refused(second)
    assert share.at(200) > 0.95


def test_the_pace_never_falls_to_nothing():
    share = Share()
    for second in range(1000):
        share.refused(second)
    assert share.at(1000) > 0.02


def test_a_pace_that_was_refused_starts_fewer_and_recovers_within_a_minute():
    async def after_refusals(count):
        pacer = StartPacer(TIERS["ultra"].starts_per_minute)
        for _ in range(count):
            pacer.slow_down()
            await asyncio.sleep(1)
        loop = asyncio.get_running_loop()
        began, passed = loop.time(), 0
        minute = []
        while loop.time() < began + 60:
            passed += await pacer.turns(1000)
            minute.append((loop.time() - began, passed))
        return [max(p for at, p in minute if at <= second) for second in (1, 30, 60)]

    usual = in_no_time(after_refusals(0))
    slowed = in_no_time(after_refusals(3))
    assert slowed[0] < 0.6 * usual[0]
    assert slowed[2] - slowed[1] == pytest.approx(usual[2] - usual[1], rel=0.05)
