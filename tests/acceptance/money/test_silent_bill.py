"""What a bill does not show proves something only where it is seen to show what it should."""

from __future__ import annotations

from datetime import timedelta

import pytest
from money_world import DAY_LONG, HOUR, PRICE, always

from catalog.values import AnalysisType, PredictionStatus
from tasks.sandbox.faults import Fault

pytestmark = pytest.mark.anyio

#: A failure that the provider keeps its price for.
KEPT = Fault.TASK_FAILED_1401


async def test_an_empty_bill_does_not_free_what_a_failure_was_charged(world):
    here = await world(always(KEPT), films=2)
    await here.run()
    await here.strike(always(Fault.BILLING_EMPTY))
    here.clock.advance(2 * HOUR)
    books = (await here.reconcile(), await here.check())[1]
    assert (books.totals.held, books.settled) == (2 * PRICE, False)

    await here.strike()
    here.clock.advance(DAY_LONG)
    await here.reconcile()
    books = await here.check()
    assert (books.totals.held, books.totals.charged) == (0, 2 * PRICE)


async def test_a_bill_that_forgets_what_it_showed_is_not_believed_and_said_to_be_wrong(world):
    here = await world(films=1)
    await here.run()
    await here.strike(always(KEPT))
    await here.run(tasks=(AnalysisType.COUNTING,))
    await here.strike(always(Fault.BILLING_EMPTY))
    here.clock.advance(2 * HOUR)
    report = await here.reconcile()
    assert "no longer shows" in report.stats.notices[0]
    assert (await here.check()).totals.held == PRICE


async def test_a_failure_is_free_where_the_bill_shows_others_and_not_it(world):
    here = await world(films=1)
    await here.run()
    await here.strike(always(KEPT), always(Fault.CHARGE_NONE))
    await here.run(tasks=(AnalysisType.COUNTING,))
    here.clock.advance(2 * HOUR)
    await here.reconcile()
    books = await here.check()
    assert (books.totals.held, books.totals.charged, books.settled) == (0, PRICE, True)


async def test_a_bill_that_never_shows_anything_is_believed_after_a_week(world):
    here = await world(always(KEPT), always(Fault.CHARGE_NONE), films=1)
    await here.run()
    here.clock.advance(DAY_LONG)
    await here.reconcile()
    assert (await here.check()).totals.held == PRICE
    here.clock.advance(timedelta(days=7))
    await here.reconcile()
    books = await here.check()
    assert books.totals.held == books.totals.charged == 0
    assert books.statuses == {PredictionStatus.FAILED: 1}
