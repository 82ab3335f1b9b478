"""Lists and bills that show less than there is: what they lack may be there all the same."""

from __future__ import annotations

import asyncio
from contextlib import closing
from datetime import timedelta

import pytest
from money_world import PRICE, always

from catalog.database import connect
from catalog.models import Run
from catalog.values import Order, PredictionStatus
from flows.pipeline.runner import LocalRunner
from tasks.sandbox.faults import Fault

pytestmark = pytest.mark.anyio

LATER = timedelta(minutes=30)


@pytest.mark.parametrize(
    "fault", [Fault.LIST_EMPTY, Fault.LIST_ONLY_STRANGERS, Fault.LIST_LONG_LAG]
)
async def test_a_list_that_hides_everything_of_ours_proves_nothing(world, fault):
    strangers = always(Fault.HISTORY_FOREIGN_ROWS)
    here = await world(Fault.SUBMIT_LOST_RESET, strangers, always(fault))
    await here.run(include=("film-000.mp4",))
    await here.run()
    books = await here.books()
    assert books.statuses[PredictionStatus.UNCERTAIN] == 1
    assert books.audit["accepted"] == 3
    assert books.totals.held == PRICE

    await here.strike()
    here.clock.advance(LATER)
    await here.run()
    await here.check_all_done(accepted=3, charged=3 * PRICE)


@pytest.mark.parametrize("fault", [Fault.HISTORY_LATE])
async def test_one_that_is_listed_later_than_others_is_waited_for(world, fault):
    here = await world(Fault.SUBMIT_LOST_RESET, fault, settings={"settle_delay": 120.0})
    runner = LocalRunner()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(here.run(runner=runner, concurrency=1))
        async with asyncio.timeout(120):
            while not (await here.books()).statuses[PredictionStatus.UNCERTAIN]:  # noqa: ASYNC110 - another task's
                await asyncio.sleep(0.02)
        runner.stop()
    assert running.result().exit_code == 130
    assert (await here.books()).statuses[PredictionStatus.UNCERTAIN] == 1

    here.clock.advance(timedelta(seconds=121))
    await here.run()
    await here.check_all_done(accepted=3, charged=3 * PRICE)


@pytest.mark.parametrize("fault", [Fault.LIST_SHORT_PAGE])
async def test_a_list_in_smaller_pages_than_asked_is_read_to_its_end(world, fault):
    here = await world(Fault.SUBMIT_LOST_RESET, always(fault), films=6)
    await here.run(concurrency=1)
    await here.run()
    await here.check_all_done(accepted=6, charged=6 * PRICE)


@pytest.mark.parametrize("fault", [Fault.BILLING_SHORT_PAGE])
async def test_a_bill_in_smaller_pages_than_asked_is_read_to_its_end(world, fault):
    here = await world(always(fault), films=6)
    assert (await here.run()).exit_code == 0
    here.clock.advance(LATER)
    await here.reconcile()
    books = await here.check_all_done(accepted=6, charged=6 * PRICE)
    assert books.settled


async def test_what_was_sent_with_another_key_is_not_released_by_the_list_of_this_one(world):
    """The key was changed for one of another account, whose list shows later ones of ours."""
    here = await world(Fault.SUBMIT_DROPPED_RESET)
    first = await here.run(order=Order.PATH, limit=1)

    def use(account):
        def change(session):
            run = session.get_one(Run, first.run_id)
            run.parameters = {**run.parameters, "account": account}

        with closing(connect(here.catalog_url)) as catalog:
            catalog.write(change)

    ours = here.read(lambda session: session.get_one(Run, first.run_id).parameters["account"])
    use("another")
    for _ in range(3):
        here.clock.advance(LATER)
        await here.run()
    books = await here.books()
    assert books.statuses == {PredictionStatus.UNCERTAIN: 1, PredictionStatus.COMPLETED: 2}

    use(ours)
    await here.run()
    await here.check_all_done(accepted=3, charged=3 * PRICE)
