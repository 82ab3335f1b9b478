"""Submissions that are refused, dropped or accepted without an answer."""

from __future__ import annotations

import pytest
from money_world import BUDGET, HOUR, PRICE, always, once

from catalog.values import AnalysisStatus, Order, PredictionStatus, RunStatus
from tasks.sandbox.faults import Fault

pytestmark = pytest.mark.anyio


ACCOUNT = [
    (Fault.SUBMIT_401, "API key"),
    (Fault.SUBMIT_402, "out of credit"),
    (Fault.SUBMIT_400_CREDIT, "out of credit"),
    (Fault.SUBMIT_403_CREDIT, "out of credit"),
    (Fault.SUBMIT_403, "does not allow"),
    (Fault.SUBMIT_404, "does not know this model"),
]


@pytest.mark.parametrize(("fault", "words"), ACCOUNT)
async def test_an_account_that_is_refused_stops_the_run_at_no_cost(world, fault, words):
    here = await world(always(fault), films=8)
    report = await here.run()
    assert (report.status, report.exit_code) == (RunStatus.ACCOUNT_STOPPED, 3)
    assert words in report.stopped_by
    assert "\n" not in report.stopped_by
    books = await here.books()
    assert books.audit["accepted"] == 0
    assert (books.totals.held, books.totals.charged) == (0, 0)
    assert set(books.analyses) == {AnalysisStatus.WANTED}

    await here.strike()
    assert (await here.run()).status is RunStatus.COMPLETED
    await here.check_all_done(accepted=8, charged=8 * PRICE)


@pytest.mark.parametrize("fault", [Fault.SUBMIT_CREDIT_RUNS_OUT])
async def test_credit_that_runs_out_in_mid_run_leaves_the_rest_to_a_later_run(world, fault):
    here = await world(once(fault, first=3), films=8)
    report = await here.run(concurrency=1)
    assert (report.status, report.exit_code) == (RunStatus.ACCOUNT_STOPPED, 3)
    assert "Top it up" in report.stopped_by
    books = await here.books()
    assert books.analyses == {AnalysisStatus.COMPLETED: 2, AnalysisStatus.WANTED: 6}
    assert (books.totals.held, books.totals.charged) == (0, 2 * PRICE)

    await here.sandbox.set_balance(BUDGET)
    assert (await here.run()).status is RunStatus.COMPLETED
    await here.check_all_done(accepted=8, charged=8 * PRICE)


@pytest.mark.parametrize("fault", [Fault.SUBMIT_400, Fault.SUBMIT_413])
async def test_a_request_that_is_refused_is_one_failure_at_no_cost(world, fault):
    here = await world(fault)
    report = await here.run()
    assert (report.status, report.exit_code) == (RunStatus.COMPLETED_WITH_FAILURES, 1)
    (failure,) = report.stats.failures
    assert failure.what.startswith("file:")
    assert "request" in failure.reason
    books = await here.books()
    assert books.analyses == {AnalysisStatus.COMPLETED: 2, AnalysisStatus.FAILED: 1}
    assert (books.totals.held, books.totals.charged) == (0, 2 * PRICE)

    assert (await here.run()).stats.analyses.failed_before == 1
    await here.run(retry_failed=True)
    await here.check_all_done(accepted=3, charged=3 * PRICE)


@pytest.mark.parametrize(
    "fault",
    [Fault.SUBMIT_429, Fault.SUBMIT_429_SECONDS, Fault.SUBMIT_429_DATE, Fault.SUBMIT_503],
)
async def test_a_provider_that_asks_for_patience_gets_it(world, fault):
    here = await world(fault)
    report = await here.run()
    assert (report.status, report.exit_code) == (RunStatus.COMPLETED, 0)
    books = await here.check_all_done(accepted=3, charged=3 * PRICE)
    assert books.statuses[PredictionStatus.RELEASED] == 1


async def test_a_provider_that_asks_for_patience_for_ever_is_not_asked_for_ever(world):
    here = await world(always(Fault.SUBMIT_503), films=2)
    report = await here.run()
    assert report.exit_code == 1
    assert report.stats.failures
    books = await here.books()
    assert (books.totals.held, books.totals.charged) == (0, 0)
    assert books.analyses == {AnalysisStatus.WANTED: 2}


DROPPED = [
    Fault.SUBMIT_DROPPED_RESET,
    Fault.SUBMIT_DROPPED_STALL,
    Fault.SUBMIT_DROPPED_500,
    Fault.SUBMIT_DROPPED_502,
    Fault.SUBMIT_DROPPED_504,
    Fault.SUBMIT_DROPPED_CODE_5003,
    Fault.SUBMIT_DROPPED_429,
    Fault.SUBMIT_DROPPED_503,
]


@pytest.mark.parametrize("fault", DROPPED)
async def test_what_never_arrived_is_released_once_that_is_proven_and_bought_once(world, fault):
    here = await world(fault)
    await here.run(order=Order.PATH, limit=2)
    books = await here.books()
    assert books.statuses == {PredictionStatus.COMPLETED: 1, PredictionStatus.UNCERTAIN: 1}
    here.clock.advance(HOUR)
    await here.run()  # what it buys is the witness
    report = await here.run()
    assert (report.status, report.exit_code) == (RunStatus.COMPLETED, 0)
    books = await here.check_all_done(accepted=3, charged=3 * PRICE)
    assert books.statuses == {PredictionStatus.COMPLETED: 3, PredictionStatus.RELEASED: 1}


LOST = [
    Fault.SUBMIT_LOST_RESET,
    Fault.SUBMIT_LOST_STALL,
    Fault.SUBMIT_LOST_500,
    Fault.SUBMIT_LOST_502,
    Fault.SUBMIT_LOST_504,
    Fault.SUBMIT_LOST_CUT_BODY,
    Fault.SUBMIT_LOST_CUT_JSON,
    Fault.SUBMIT_LOST_HTML,
    Fault.SUBMIT_LOST_EMPTY,
    Fault.SUBMIT_LOST_DATA_NULL,
    Fault.SUBMIT_LOST_NO_ID,
    Fault.SUBMIT_LOST_400,
    Fault.SUBMIT_LOST_404,
    Fault.SUBMIT_LOST_413,
    Fault.SUBMIT_LOST_429,
    Fault.SUBMIT_LOST_503,
    Fault.SUBMIT_LOST_503_JSON,
    Fault.SUBMIT_LOST_503_DATA,
]


@pytest.mark.parametrize("fault", LOST)
async def test_an_accepted_submission_without_an_answer_is_found_by_its_address(world, fault):
    here = await world(fault)
    report = await here.run()
    assert (report.status, report.exit_code) == (RunStatus.COMPLETED, 0)
    books = await here.check_all_done(accepted=3, charged=3 * PRICE)
    assert books.audit["answers_lost"] == 1
    assert books.audit["orphaned"] == 0
    assert books.statuses == {PredictionStatus.COMPLETED: 3}


@pytest.mark.parametrize(
    "fault", [Fault.SUBMIT_LOST_401, Fault.SUBMIT_LOST_402, Fault.SUBMIT_LOST_403]
)
async def test_a_gateways_word_about_the_account_stops_the_run_and_proves_nothing(world, fault):
    here = await world(once(fault, first=3), films=8)
    report = await here.run(concurrency=1)
    assert (report.status, report.exit_code) == (RunStatus.ACCOUNT_STOPPED, 3)
    assert "not in the provider's own form" in report.stopped_by
    books = await here.books()
    assert books.audit["accepted"] == 3
    assert books.analyses == {AnalysisStatus.COMPLETED: 3, AnalysisStatus.WANTED: 5}

    assert (await here.run()).exit_code == 0
    await here.check_all_done(accepted=8, charged=8 * PRICE)


@pytest.mark.parametrize("fault", [Fault.SUBMIT_LOST_OTHER_ID])
async def test_one_id_for_two_submissions_stays_with_the_first(world, fault):
    here = await world(once(fault, first=2), always(Fault.LIST_WITHOUT_INPUTS))
    report = await here.run(concurrency=1)
    assert (report.status, report.exit_code) == (RunStatus.COMPLETED_WITH_FAILURES, 1)
    assert [one.kind for one in report.stats.failures] == ["uncertain"]
    books = await here.books()
    assert books.audit["accepted"] == 3
    assert books.statuses == {PredictionStatus.COMPLETED: 2, PredictionStatus.UNCERTAIN: 1}
    assert (books.totals.held, books.totals.charged) == (PRICE, 2 * PRICE)
    assert books.predictions[0].provider_id == books.accepted[0]["id"]
    assert "the id of another prediction" in books.predictions[1].error

    assert (await here.run()).stats.analyses.submitted == 0
    await here.strike()
    assert (await here.run()).exit_code == 0  # the list shows whose it is
    await here.check_all_done(accepted=3, charged=3 * PRICE)


@pytest.mark.parametrize("fault", [Fault.SUBMIT_DROPPED_401])
async def test_a_gateway_that_refuses_everything_holds_the_money_of_one(world, fault):
    here = await world(always(fault), films=8)
    report = await here.run(concurrency=1)
    assert (report.status, report.exit_code) == (RunStatus.ACCOUNT_STOPPED, 3)
    books = await here.books()
    assert books.audit["faults"] == {fault: 1}
    assert (books.audit["accepted"], books.totals.charged) == (0, 0)


@pytest.mark.parametrize("fault", [Fault.SUBMIT_DROPPED_429, Fault.SUBMIT_DROPPED_503])
async def test_a_gateway_that_is_never_ready_is_given_up_after_five_submissions(world, fault):
    here = await world(always(fault), films=12)
    report = await here.run(concurrency=1)
    assert report.exit_code == 1
    assert any("not in the provider's own form" in one.reason for one in report.stats.failures)
    assert (await here.books()).audit["faults"] == {fault: 5}


@pytest.mark.parametrize("fault", [Fault.SUBMIT_PROCESSING, Fault.SUBMIT_COMPLETED])
async def test_an_answer_that_is_ahead_of_its_time_is_an_acceptance(world, fault):
    here = await world(always(fault))
    report = await here.run()
    assert (report.status, report.exit_code) == (RunStatus.COMPLETED, 0)
    await here.check_all_done(accepted=3, charged=3 * PRICE)
