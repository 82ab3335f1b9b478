"""Tickets and uploads: nothing is owed for them, and nothing is bought that cannot be read."""

from __future__ import annotations

import pytest
from money_world import PRICE, always, once

from catalog.values import AnalysisStatus, AnalysisType
from tasks.sandbox.faults import Fault

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "fault",
    [
        Fault.TICKET_429,
        Fault.TICKET_500,
        Fault.TICKET_RESET,
        Fault.TICKET_EXPIRED,
        Fault.PUT_403,
        Fault.PUT_412,
        Fault.PUT_500,
        Fault.PUT_RESET,
        Fault.PUT_LOST_RESET,
        Fault.PUT_LOST_STALL,
    ],
)
async def test_an_upload_that_goes_wrong_once_is_made_good(world, fault):
    here = await world(fault)
    report = await here.run(tasks=(AnalysisType.SUMMARY, AnalysisType.COUNTING))
    assert report.exit_code == 0
    books = await here.check_all_done(accepted=6, charged=6 * PRICE)
    assert books.audit["faults"][fault] == 1


@pytest.mark.parametrize("fault", [Fault.TICKET_413])
async def test_a_film_that_is_too_large_to_upload_is_one_failure_at_no_cost(world, fault):
    here = await world(once(fault, first=2))
    report = await here.run(concurrency=1)
    assert report.exit_code == 1
    (failure,) = report.stats.failures
    assert "upload" in failure.reason
    books = await here.check()
    assert books.analyses == {AnalysisStatus.COMPLETED: 2, AnalysisStatus.FAILED: 1}
    assert (books.totals.held, books.totals.charged) == (0, 2 * PRICE)


@pytest.mark.parametrize("fault", [Fault.MEDIA_GONE])
async def test_an_upload_that_is_gone_is_made_again_for_the_next_attempt(world, fault):
    here = await world(fault)
    report = await here.run()
    assert report.exit_code == 0
    books = await here.check_all_done(accepted=4, charged=3 * PRICE)
    assert books.audit["refunded_micros"] == PRICE


@pytest.mark.parametrize("fault", [Fault.TICKET_429, Fault.TICKET_500, Fault.PUT_403])
async def test_uploads_that_never_work_end_the_run_at_no_cost(world, fault):
    here = await world(always(fault), films=2)
    report = await here.run()
    assert report.exit_code == 1
    assert report.stats.failures
    books = await here.check()
    assert (books.audit["accepted"], books.totals.held, books.totals.charged) == (0, 0, 0)
