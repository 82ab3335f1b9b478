"""Accepted predictions that go wrong, and polls that tell nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from money_world import DAY_LONG, HOUR, PRICE, always

from catalog.values import AnalysisStatus, PredictionStatus, RunStatus
from tasks.sandbox.faults import Fault

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "fault", [Fault.TASK_NEVER_STARTS, Fault.TASK_NEVER_ENDS, Fault.TASK_UNKNOWN_STATUS]
)
async def test_what_never_ends_keeps_its_money_until_it_is_forgotten_and_billed(world, fault):
    here = await world(fault, settings={"wait_minutes": 0.4 / 60})
    report = await here.run()
    assert (report.stats.analyses.left_running, report.exit_code) == (1, 1)
    (failure,) = report.stats.failures
    assert failure.what.startswith("file:")
    assert "did not end while this run waited" in failure.reason
    books = await here.books()
    assert books.statuses == {PredictionStatus.COMPLETED: 2, PredictionStatus.RUNNING: 1}
    assert (books.totals.held, books.totals.charged) == (PRICE, 2 * PRICE)

    here.clock.advance(7 * DAY_LONG + HOUR)
    await here.reconcile()
    books = await here.books()
    assert books.statuses == {PredictionStatus.COMPLETED: 2, PredictionStatus.EXPIRED: 1}
    assert (books.totals.held, books.totals.charged) == (PRICE, 2 * PRICE)

    here.clock.advance(DAY_LONG + HOUR)
    await here.reconcile()
    books = await here.books()
    assert (books.totals.held, books.totals.charged) == (0, 3 * PRICE)

    await here.run()
    await here.check_all_done(accepted=4, charged=4 * PRICE)


@pytest.mark.parametrize("fault", [Fault.TASK_SLOW, Fault.TASK_PENDING, Fault.TASK_UNSEEN])
async def test_what_takes_its_time_is_waited_for(world, fault):
    here = await world(fault, latency_scale=0.001)
    assert (await here.run()).exit_code == 0
    await here.check_all_done(accepted=3, charged=3 * PRICE)


@pytest.mark.parametrize(
    "fault",
    [
        Fault.TASK_TIMEOUT,
        Fault.TASK_FAILED_1402,
        Fault.TASK_FAILED_1403,
        Fault.TASK_FAILED_1405,
        Fault.TASK_FAILED_5000,
        Fault.TASK_FAILED_5003,
        Fault.TASK_FAILED_5004,
    ],
)
async def test_a_passing_failure_is_tried_again_once_it_was_refunded(world, fault):
    here = await world(fault)
    report = await here.run()
    assert (report.status, report.exit_code) == (RunStatus.COMPLETED, 0)
    assert report.stats.failures == []
    books = await here.check_all_done(accepted=4, charged=3 * PRICE)
    assert books.audit["refunded_micros"] == PRICE


@pytest.mark.parametrize("fault", [Fault.TASK_FAILED_5000])
async def test_a_failure_of_the_provider_is_left_to_the_next_run_after_three_attempts(world, fault):
    here = await world(always(fault), films=1)
    report = await here.run()
    assert report.exit_code == 1
    failed, left = report.stats.failures
    assert "code 5000" in failed.reason
    assert "1 analyses were tried and are still to be had, at no cost" in left.reason
    assert report.stats.analyses.failed == 1
    books = await here.books()
    assert books.audit["accepted"] == 3
    assert books.analyses == {AnalysisStatus.WANTED: 1}
    assert (books.totals.held, books.totals.charged) == (0, 0)

    await here.strike()
    assert (await here.run()).exit_code == 0
    await here.check_all_done(accepted=4, charged=PRICE)


@pytest.mark.parametrize("fault", [Fault.TASK_FAILED_1403])
async def test_a_failure_that_may_be_the_videos_is_given_up_after_three_attempts(world, fault):
    here = await world(always(fault), films=1)
    report = await here.run()
    assert report.exit_code == 1
    (failure,) = report.stats.failures
    assert "code 1403" in failure.reason
    books = await here.books()
    assert books.audit["accepted"] == 3
    assert books.analyses == {AnalysisStatus.FAILED: 1}


@pytest.mark.parametrize(
    "fault", [Fault.TASK_FAILED_1200, Fault.TASK_FAILED_1406, Fault.TASK_FAILED_1407]
)
async def test_a_lasting_failure_costs_nothing_once_it_was_refunded(world, fault):
    here = await world(fault)
    report = await here.run()
    assert report.exit_code == 1
    (failure,) = report.stats.failures
    assert f"code {fault[-4:]}" in failure.reason
    books = await here.books()
    assert books.analyses == {AnalysisStatus.COMPLETED: 2, AnalysisStatus.FAILED: 1}
    assert (books.totals.held, books.totals.charged) == (0, 2 * PRICE)
    assert books.settled


UNREFUNDED = [
    Fault.TASK_CANCELLED,
    Fault.TASK_DELETED,
    Fault.TASK_FAILED_1400,
    Fault.TASK_FAILED_1401,
    Fault.OUTPUT_EMPTY_LIST,
    Fault.OUTPUT_NULL,
    Fault.OUTPUT_EMPTY_TEXT,
    Fault.OUTPUT_WHITESPACE,
]


@pytest.mark.parametrize("fault", UNREFUNDED)
async def test_a_failure_that_is_not_refunded_is_held_for_a_day_and_then_charged(world, fault):
    here = await world(fault)
    report = await here.run()
    assert report.exit_code == 1
    assert len(report.stats.failures) == 1
    books = await here.books()
    assert books.analyses == {AnalysisStatus.COMPLETED: 2, AnalysisStatus.FAILED: 1}
    assert (books.totals.held, books.totals.charged) == (PRICE, 2 * PRICE)

    here.clock.advance(23 * HOUR)
    await here.reconcile()
    assert (await here.books()).totals.held == PRICE
    here.clock.advance(2 * HOUR)
    await here.reconcile()
    books = await here.books()
    assert (books.totals.held, books.totals.charged) == (0, 3 * PRICE)
    assert books.totals.charged == books.audit["billed_micros"]


@pytest.mark.parametrize(
    "fault",
    [
        Fault.OUTPUT_VERY_LONG,
        Fault.OUTPUT_NON_ASCII,
        Fault.OUTPUT_FENCED_JSON,
        Fault.OUTPUT_CUT_JSON,
        Fault.OUTPUT_REFUSAL,
        Fault.OUTPUT_URL,
        Fault.OUTPUT_OBJECT,
        Fault.OUTPUT_BARE_OBJECT,
        Fault.OUTPUT_SEVERAL,
    ],
)
async def test_an_answer_of_any_shape_is_kept(world, fault):
    here = await world(fault)
    assert (await here.run()).exit_code == 0
    await here.check_all_done(accepted=3, charged=3 * PRICE)


POLLS = [
    Fault.POLL_429,
    Fault.POLL_429_SECONDS,
    Fault.POLL_500,
    Fault.POLL_502,
    Fault.POLL_503,
    Fault.POLL_504,
    Fault.POLL_RESET,
    Fault.POLL_STALL,
    Fault.POLL_SLOW_BODY,
    Fault.POLL_CUT_BODY,
    Fault.POLL_CUT_JSON,
    Fault.POLL_TOO_LONG,
    Fault.POLL_HTML,
    Fault.POLL_EMPTY,
    Fault.POLL_CODE_5003,
    Fault.POLL_DATA_NULL,
    Fault.POLL_404,
    Fault.POLL_UNKNOWN_STATUS,
    Fault.POLL_SYNC_TIMEOUT,
]


@pytest.mark.parametrize("fault", POLLS)
async def test_a_poll_that_tells_nothing_is_asked_again_and_nothing_else(world, fault):
    here = await world(fault)
    report = await here.run()
    assert (report.status, report.exit_code) == (RunStatus.COMPLETED, 0)
    books = await here.check_all_done(accepted=3, charged=3 * PRICE)
    assert books.audit["faults"][fault] == 1
    assert books.statuses == {PredictionStatus.COMPLETED: 3}


@pytest.mark.parametrize("fault", [Fault.POLL_502, Fault.POLL_TOO_LONG, Fault.POLL_DATA_NULL])
async def test_polls_that_never_tell_anything_leave_the_prediction_to_the_next_run(world, fault):
    here = await world(always(fault), settings={"wait_minutes": 0.2 / 60})
    report = await here.run()
    assert (report.status, report.exit_code) == (RunStatus.COMPLETED_WITH_FAILURES, 1)
    assert report.stats.analyses.left_running == 3
    assert [one.kind for one in report.stats.failures] == ["running"] * 3
    assert all("Its last poll gave:" in one.reason for one in report.stats.failures)
    books = await here.books()
    assert books.totals.held == 3 * PRICE

    await here.strike()
    here.clock.advance(timedelta(days=5))
    assert (await here.run()).stats.analyses.collected == 3
    await here.check_all_done(accepted=3, charged=3 * PRICE)


async def test_a_result_that_nobody_fetched_in_seven_days_is_forgotten_charged_and_bought_anew(
    world,
):
    here = await world(always(Fault.POLL_502), films=1, settings={"wait_minutes": 0.1 / 60})
    await here.run()
    await here.strike()
    here.clock.advance(7 * DAY_LONG + HOUR)
    await here.reconcile(check=False)
    books = await here.books()
    assert books.audit["unread_at_expiry"] == 1
    assert books.statuses == {PredictionStatus.EXPIRED: 1}
    assert books.totals.held == PRICE

    here.clock.advance(DAY_LONG + HOUR)
    await here.run(check=False)
    books = await here.books()
    assert books.analyses == {AnalysisStatus.COMPLETED: 1}
    assert books.audit["duplicates"] == 0
    assert (books.totals.held, books.totals.charged) == (0, 2 * PRICE)
