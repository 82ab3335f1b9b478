"""Clocks that are wrong by hours, and processes that sleep: nothing is paid twice, nothing lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from money_world import HOUR, PRICE, once
from sqlalchemy import func, select

from catalog.models import Prediction
from catalog.values import Order, PredictionStatus
from tasks.sandbox.faults import Fault

pytestmark = pytest.mark.anyio

#: Longer than a submission may be on its way, and than a list lags.
LATER = timedelta(minutes=30)


def set_clock(world, ahead):
    """Put the clock of this machine ahead of the provider's, or behind it."""
    world.tempo = replace(world.tempo, clock=lambda: world.clock() + ahead)


@pytest.mark.parametrize("hours", [-2, 2], ids=["behind", "ahead"])
@pytest.mark.parametrize("fault", [Fault.SUBMIT_LOST_RESET, Fault.SUBMIT_DROPPED_RESET])
async def test_a_lost_answer_is_judged_in_the_providers_time(world, fault, hours):
    here = await world(once(fault, first=2), films=4)
    set_clock(here, hours * HOUR)
    await here.run(concurrency=1, order=Order.PATH, limit=3)
    here.clock.advance(LATER)
    await here.run()  # what it buys is the witness
    here.clock.advance(LATER)
    await here.run()
    await here.check_all_done(accepted=4, charged=4 * PRICE)


@pytest.mark.parametrize("hours", [-2, 2], ids=["behind", "ahead"])
async def test_a_list_without_inputs_is_matched_in_the_providers_time(world, hours):
    """Where nothing but the time tells which row is which, ours is none that counts."""
    mute = Fault.LIST_WITHOUT_INPUTS
    here = await world(
        Fault.SUBMIT_LOST_RESET,
        *(once(mute, first=number) for number in range(1, 20)),
        settings={"exclusive_account": True},
    )
    set_clock(here, hours * HOUR)
    await here.run()
    here.clock.advance(LATER)
    await here.run()
    await here.check_all_done(accepted=3, charged=3 * PRICE)


@pytest.mark.parametrize("hours", [-2, 2], ids=["behind", "ahead"])
async def test_workers_whose_clocks_differ_by_hours_pay_once(world, hours):
    """What one of them lost is judged by the other, whose clock says something else."""
    here = await world(once(Fault.SUBMIT_LOST_RESET), Fault.LIST_500, films=4)
    set_clock(here, hours * HOUR)
    await here.run(include=("film-000.mp4",), check=False)
    set_clock(here, -hours * HOUR)
    await here.run(check=False)
    set_clock(here, timedelta(0))
    here.clock.advance(LATER)
    await here.run()
    await here.check_all_done(accepted=4, charged=4 * PRICE)


async def test_doctor_says_by_how_much_the_clock_differs(world):
    here = await world(clock_skew_seconds=7200)
    ended = await here.reelcat("doctor")
    assert "this machine's clock is" in ended.out.replace("\n", " ")
    assert "behind its" in " ".join(ended.out.split())


@pytest.mark.parametrize("span", [timedelta(seconds=61), 3 * HOUR], ids=["a minute", "hours"])
async def test_what_was_intended_before_a_machine_slept_is_not_sent_after_it(world, span):
    """Time leaps for everybody as soon as the first intents are in the catalog."""
    here = await world(films=4)
    leaps = []

    def are_intended(session):
        intended = Prediction.status == PredictionStatus.SUBMITTING
        return session.scalar(select(func.count()).where(intended)) > 0

    def clock():
        if not leaps and here.read(are_intended):
            leaps.append(span)
            here.clock.advance(span)
        return here.clock()

    here.tempo = replace(here.tempo, clock=clock)
    await here.run(check=False)
    assert leaps
    books = await here.check()
    assert books.statuses[PredictionStatus.RELEASED] >= 1  # nobody else had it, yet it was not sent

    await here.run()
    await here.check_all_done(accepted=4, charged=4 * PRICE)
