"""Limits of a run, a day and a month, beside one another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from money_world import DAY_LONG, HOUR, PRICE, always, set_budget

from catalog import budgets
from catalog.errors import UsageError
from catalog.values import AnalysisStatus, PredictionStatus, RunStatus
from flows.pipeline.runner import LocalRunner
from tasks.sandbox.faults import Fault

pytestmark = pytest.mark.anyio

#: Half an hour to midnight in Berlin, an hour and a half in Greenwich.
LATE = datetime(2026, 11, 23, 22, 30, tzinfo=UTC)
BERLIN = {"timezone": "Europe/Berlin"}


def committed(world, *scopes):
    usages = world.read(lambda session: budgets.usages(session, scopes))
    return {one.scope: one.committed_micros for one in usages}


async def completed(world):
    return (await world.books()).analyses[AnalysisStatus.COMPLETED]


async def test_a_paid_run_without_any_limit_is_refused(world):
    here = await world()
    with pytest.raises(UsageError, match="needs a limit"):
        await here.run(budget=None)
    assert (await here.check()).audit["accepted"] == 0


async def test_a_days_limit_holds_over_its_runs_and_the_next_day_goes_on(world):
    here = await world(films=5)
    set_budget(here, day=2 * PRICE)
    report = await here.run(budget=None)
    assert (report.status, report.exit_code) == (RunStatus.BUDGET_REACHED, 0)
    assert report.stats.analyses.over_budget == 3
    assert (await here.run(budget=None)).stats.analyses.submitted == 0
    assert await completed(here) == 2
    here.clock.advance(DAY_LONG)
    await here.run(budget=None)
    assert await completed(here) == 4
    here.clock.advance(DAY_LONG)
    assert (await here.run(budget=None)).status is RunStatus.COMPLETED
    await here.check_all_done(accepted=5, charged=5 * PRICE)


async def test_the_smallest_of_all_limits_decides(world):
    here = await world(films=5, start=LATE)
    set_budget(here, day=3 * PRICE, month=4 * PRICE)
    await here.run(budget=PRICE)
    assert await completed(here) == 1
    await here.run(budget=5 * PRICE)
    assert await completed(here) == 3
    here.clock.advance(DAY_LONG)
    await here.run(budget=5 * PRICE)
    assert await completed(here) == 4


async def test_days_and_months_begin_at_midnight_where_the_settings_say(world):
    here = await world(films=4, start=LATE.replace(month=12, day=31), settings=BERLIN)
    set_budget(here, day=PRICE, month=2 * PRICE)
    await here.run(budget=None)
    old, new = ("day:2026-12-31", "month:2026-12"), ("day:2027-01-01", "month:2027-01")
    assert committed(here, *old, *new) == dict.fromkeys(old, PRICE)
    here.clock.advance(HOUR)
    await here.run(budget=None)
    assert committed(here, *old, *new) == dict.fromkeys((*old, *new), PRICE)


class Sleepy(LocalRunner):
    """Somebody who agrees an hour later."""

    def __init__(self, clock):
        super().__init__()
        self._clock = clock

    async def agree(self, plan, stats):
        self._clock.advance(HOUR)
        return True


async def test_what_is_bought_after_midnight_counts_to_the_new_day(world):
    here = await world(films=4, start=LATE, settings=BERLIN)
    set_budget(here, day=2 * PRICE)
    await here.run(budget=None, runner=Sleepy(here.clock))
    days = ("day:2026-11-23", "day:2026-11-24")
    assert committed(here, *days) == {"day:2026-11-24": 2 * PRICE}
    assert await completed(here) == 2


async def test_a_bill_that_comes_after_midnight_counts_to_the_day_of_the_hold(world):
    here = await world(always(Fault.BILLING_EMPTY), films=1, start=LATE, settings=BERLIN)
    set_budget(here, day=2 * PRICE)
    await here.run(budget=None)
    await here.strike()
    here.clock.advance(HOUR)
    await here.reconcile()
    days = ("day:2026-11-23", "day:2026-11-24")
    assert committed(here, *days) == {"day:2026-11-23": PRICE}


async def test_a_submission_of_unknown_outcome_counts_as_spent(world):
    lost, mute = always(Fault.SUBMIT_LOST_502), always(Fault.LIST_WITHOUT_INPUTS)
    here = await world(lost, mute, films=4)
    set_budget(here, day=2 * PRICE)
    for _ in range(2):
        report = await here.run(budget=None)
        assert report.stats.analyses.over_budget == 2
    books = await here.check()
    assert (books.audit["accepted"], books.totals.held) == (2, 2 * PRICE)
    assert books.statuses == {PredictionStatus.UNCERTAIN: 2}


async def test_a_smaller_bill_frees_the_budget_for_more(world):
    here = await world(always(Fault.CHARGE_DISCOUNTED), films=4)
    set_budget(here, day=2 * PRICE)
    for expected in (2, 3):
        await here.run(budget=None)
        assert await completed(here) == expected


async def test_raising_a_limit_lets_a_stopped_backlog_continue(world):
    here = await world(films=4)
    assert (await here.reelcat("budget", "--day", "0.01")).code == 0
    assert (await here.run(budget=None)).status is RunStatus.BUDGET_REACHED
    assert await completed(here) == 2
    asked = await here.reelcat("budget", "--day", "0.5")
    assert (asked.code, asked.err) == (0, "")
    assert "$0.01 committed, of $0.50" in asked.out
    assert (await here.run(budget=None)).status is RunStatus.COMPLETED
    await here.check_all_done(accepted=4)


async def test_lowering_a_limit_below_what_is_committed_says_so_and_stops_buying(world):
    here = await world(films=4)
    set_budget(here, day=2 * PRICE)
    await here.run(budget=None)
    asked = await here.reelcat("budget", "--day", "0.005")
    assert asked.code == 0
    (line,) = asked.err.splitlines()
    assert "$0.01 of this day are committed already, more than $0.005" in line
    report = await here.run(budget=None, check=False)
    assert report.stats.analyses.submitted == 0
    here.clock.advance(timedelta(days=1))
    await here.run(budget=None, check=False)
    assert await completed(here) == 3
