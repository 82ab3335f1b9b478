"""Five refusals of the account or the server in a row: nothing new; what is out is collected."""

from __future__ import annotations

import pytest
from money_world import PRICE, always

from catalog.values import AnalysisStatus, PredictionStatus, RunStatus
from tasks.runtime.breaker import MOST_REFUSALS
from tasks.sandbox.faults import Fault, Scripted

pytestmark = pytest.mark.anyio


def from_the_third_on(fault):
    return Scripted(fault=fault, first=3, times=None)


@pytest.mark.parametrize("fault", [Fault.SUBMIT_402, Fault.SUBMIT_403])
async def test_refusals_of_the_account_stop_submitting_and_what_runs_is_collected(world, fault):
    here = await world(from_the_third_on(fault), films=12, latency_scale=0.03)
    report = await here.run()
    assert (report.status, report.exit_code) == (RunStatus.ACCOUNT_STOPPED, 3)
    books = await here.check()
    assert books.analyses == {AnalysisStatus.COMPLETED: 2, AnalysisStatus.WANTED: 10}
    assert (books.totals.held, books.totals.charged) == (0, 2 * PRICE)


@pytest.mark.parametrize("fault", [Fault.SUBMIT_402, Fault.SUBMIT_503])
async def test_five_in_a_row_are_enough(world, fault):
    here = await world(always(fault), films=12)
    report = await here.run(concurrency=1)
    assert report.exit_code == (3 if fault is Fault.SUBMIT_402 else 1)
    assert report.stats.failures or report.stopped_by
    books = await here.check()
    assert books.audit["refused"] == {f"fault:{fault}": MOST_REFUSALS}
    assert books.analyses == {AnalysisStatus.WANTED: 12}


async def test_refusals_between_acceptances_do_not_add_up(world):
    every_other = [Scripted(fault=Fault.SUBMIT_503, first=n) for n in range(1, 20, 2)]
    here = await world(*every_other, films=8)
    assert (await here.run(concurrency=1)).exit_code == 0
    await here.check_all_done(accepted=8)


async def test_wrong_requests_do_not_open_the_breaker(world):
    here = await world(always(Fault.SUBMIT_400), films=8)
    report = await here.run(concurrency=1)
    assert (report.status, len(report.stats.failures)) == (RunStatus.COMPLETED_WITH_FAILURES, 8)
    books = await here.check()
    assert books.analyses == {AnalysisStatus.FAILED: 8}
    assert books.statuses == {PredictionStatus.RELEASED: 8}


async def test_lost_answers_are_found_although_the_breaker_is_open(world):
    here = await world(Fault.SUBMIT_LOST_RESET, from_the_third_on(Fault.SUBMIT_402), films=12)
    report = await here.run(concurrency=1)
    assert (report.status, report.stats.analyses.uncertain) == (RunStatus.ACCOUNT_STOPPED, 0)
    books = await here.check()
    assert books.analyses == {AnalysisStatus.COMPLETED: 2, AnalysisStatus.WANTED: 10}


async def test_a_limit_of_videos_holds_over_every_pass_of_a_run(world):
    here = await world(Fault.TASK_FAILED_5000, films=8)  # refunded, and bought again in a pass
    assert (await here.run(limit=2)).exit_code == 0
    books = await here.check()
    assert books.analyses == {AnalysisStatus.COMPLETED: 2, AnalysisStatus.WANTED: 6}


async def test_what_never_arrived_is_held_and_named_while_nothing_of_ours_is_accepted(world):
    here = await world(always(Fault.SUBMIT_DROPPED_502), films=2)
    report = await here.run()
    assert report.exit_code == 1
    assert [failure.kind for failure in report.stats.failures] == ["uncertain", "uncertain"]
    assert (await here.check()).totals.held == 2 * PRICE
