"""A history that hides, repeats, shifts, or shows what is not ours."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from money_world import PRICE, always

from catalog.values import Order, PredictionStatus, RunStatus
from flows.pipeline.runner import LocalRunner
from tasks.sandbox.faults import Fault

pytestmark = pytest.mark.anyio

#: Longer than any submission is on its way, and than any list lags.
LATER = timedelta(minutes=30)


@pytest.mark.parametrize(
    "fault",
    [
        Fault.HISTORY_FOREIGN_ROWS,
        Fault.LIST_INPUT_SINGULAR,
        Fault.LIST_ROWS_SHIFT,
        Fault.LIST_DUPLICATE_ROW,
        Fault.LIST_SMALL_PAGES,
    ],
)
async def test_an_untidy_history_still_tells_which_is_ours(world, fault):
    here = await world(Fault.SUBMIT_LOST_RESET, always(fault))
    assert (await here.run()).exit_code == 0
    await here.check_all_done(accepted=3, charged=3 * PRICE)


@pytest.mark.parametrize(
    "fault",
    [
        Fault.LIST_DATA_NULL,
        Fault.LIST_SHORT,
        Fault.LIST_429,
        Fault.LIST_500,
        Fault.LIST_RESET,
    ],
)
async def test_a_history_that_cannot_be_read_proves_nothing(world, fault):
    here = await world(Fault.SUBMIT_LOST_RESET, fault)
    assert (await here.run()).exit_code == 0
    await here.check_all_done(accepted=3, charged=3 * PRICE)


@pytest.mark.parametrize(
    "fault",
    [
        Fault.LIST_DATA_NULL,
        Fault.LIST_SHORT,
        Fault.LIST_429,
        Fault.LIST_500,
        Fault.LIST_RESET,
    ],
)
async def test_a_history_that_is_never_whole_releases_nothing(world, fault):
    here = await world(Fault.SUBMIT_DROPPED_RESET, always(fault))
    await here.run(order=Order.PATH, limit=2)
    here.clock.advance(LATER)
    report = await here.run()  # what it buys would be the witness
    assert (report.status, report.exit_code) == (RunStatus.COMPLETED_WITH_FAILURES, 1)
    books = await here.books()
    assert books.statuses == {PredictionStatus.COMPLETED: 2, PredictionStatus.UNCERTAIN: 1}
    assert books.totals.held == PRICE
    await here.strike()
    await here.run()
    await here.run()
    await here.check_all_done(accepted=3, charged=3 * PRICE)


@pytest.mark.parametrize("fault", [Fault.LIST_SMALL_PAGES])
async def test_what_lies_behind_a_small_page_is_found_and_not_bought_again(world, fault):
    here = await world(Fault.SUBMIT_LOST_RESET, always(fault), films=6)
    assert (await here.run(concurrency=1)).exit_code == 0
    await here.check_all_done(accepted=6, charged=6 * PRICE)


@pytest.mark.parametrize("fault", [Fault.LIST_WITHOUT_INPUTS])
async def test_a_history_without_inputs_decides_nothing_on_a_shared_account(world, fault):
    here = await world(Fault.SUBMIT_LOST_RESET, always(fault))
    report = await here.run()
    assert (report.status, report.exit_code) == (RunStatus.COMPLETED_WITH_FAILURES, 1)
    (failure,) = report.stats.failures
    assert (failure.kind, report.stats.analyses.uncertain) == ("uncertain", 1)
    assert "nothing is sent again" in failure.reason
    books = await here.books()
    assert books.statuses == {PredictionStatus.COMPLETED: 2, PredictionStatus.UNCERTAIN: 1}
    assert (books.totals.held, books.totals.charged) == (PRICE, 2 * PRICE)

    await here.strike()
    await here.reconcile()
    await here.check_all_done(accepted=3, charged=3 * PRICE)


@pytest.mark.parametrize("fault", [Fault.LIST_LAG])
async def test_what_is_not_listed_yet_is_not_called_lost_before_the_delay_is_over(world, fault):
    here = await world(Fault.SUBMIT_LOST_RESET, always(fault), settings={"settle_delay": 60.0})
    runner = LocalRunner()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(here.run(runner=runner))
        async with asyncio.timeout(120):
            while not (await here.books()).statuses[PredictionStatus.UNCERTAIN]:  # noqa: ASYNC110 - another task's
                await asyncio.sleep(0.02)
        runner.stop()
    report = running.result()
    assert (report.status, report.exit_code) == (RunStatus.INTERRUPTED, 130)
    assert (await here.books()).statuses[PredictionStatus.UNCERTAIN] == 1

    here.clock.advance(timedelta(seconds=61))
    await here.run()
    await here.check_all_done(accepted=3, charged=3 * PRICE)
