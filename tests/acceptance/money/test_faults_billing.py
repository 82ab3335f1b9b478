"""The bill, refunds, the balance and the provider's own quote."""

from __future__ import annotations

import json

import pytest
from money_world import BUDGET, DAY_LONG, HOUR, PRICE, always, once

from catalog import settlement
from catalog.errors import AccountStopped, ProviderUnreadable
from catalog.totals import compare
from catalog.values import AnalysisStatus, AnalysisType, RunStatus
from tasks.sandbox.faults import Fault
from tasks.sandbox.options import Rounding

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("fault", [Fault.CHARGE_DISCOUNTED])
async def test_a_discount_is_what_was_charged_and_frees_budget(world, fault):
    here = await world(always(fault))
    assert (await here.run()).exit_code == 0
    books = await here.check_all_done(accepted=3, charged=3 * PRICE // 2)
    assert books.settled
    assert here.read(lambda s: compare(s.connection(), limit=5)).drift == -3 * PRICE // 2


@pytest.mark.parametrize("fault", [Fault.CHARGE_PER_SECOND])
async def test_seconds_instead_of_steps_are_what_was_charged(world, fault):
    here = await world(always(fault), seconds=7)
    assert (await here.run()).exit_code == 0
    await here.check_all_done(accepted=3, charged=3 * 7_000)


async def test_an_account_that_is_billed_by_the_second_passes_preflight_and_settles(world):
    here = await world(seconds=7, rounding=Rounding.PER_SECOND)
    assert (await here.run()).exit_code == 0
    await here.check_all_done(accepted=3, charged=3 * 7_000)


@pytest.mark.parametrize("fault", [Fault.CHARGE_NONE])
async def test_what_the_bill_does_not_know_counts_as_its_quote(world, fault):
    here = await world(fault)
    assert (await here.run()).exit_code == 0
    here.clock.advance(3 * DAY_LONG)
    await here.reconcile()
    books = await here.check()
    assert (books.totals.held, books.totals.charged) == (0, 3 * PRICE)
    assert books.audit["billed_micros"] == 2 * PRICE


@pytest.mark.parametrize("fault", [Fault.CHARGE_MORE])
async def test_a_higher_bill_is_booked_and_named_as_drift(world, fault):
    here = await world(fault)
    await here.run()
    books = await here.check()
    assert books.totals.charged == 4 * PRICE == books.audit["billed_micros"]
    found = here.read(lambda s: compare(s.connection(), limit=5))
    assert found.drift == PRICE
    assert [one.charged - one.quoted for one in found.differences] == [PRICE]


@pytest.mark.parametrize("fault", [Fault.CHARGE_15_DOLLARS])
async def test_a_charge_of_dollars_is_counted_to_the_last_and_stops_paid_runs(world, fault):
    here = await world(fault)
    report = await here.run(check=False)  # what is billed is over the budget
    assert (report.status, report.exit_code) == (RunStatus.ACCOUNT_STOPPED, 3)
    assert "$14.995 higher" in report.stopped_by
    books = await here.books()
    assert books.totals.charged == 15_000_000 + 2 * PRICE == books.audit["billed_micros"]
    assert here.read(lambda s: compare(s.connection(), limit=5)).drift == 15_000_000 - PRICE
    with pytest.raises(AccountStopped, match="acknowledge-drift"):
        await here.run(tasks=[AnalysisType.COUNTING], check=False)


UNCLEAR = [
    (Fault.BILLING_WORDS, "no amount in dollars"),
    (Fault.BILLING_NAMELESS, "names no prediction"),
]


@pytest.mark.parametrize(("fault", "words"), UNCLEAR)
async def test_a_line_that_cannot_be_counted_stops_paid_runs_until_a_person_took_note(
    world, fault, words
):
    here = await world(always(fault))
    report = await here.run()
    assert (report.status, report.exit_code) == (RunStatus.ACCOUNT_STOPPED, 3)
    assert "3 lines of the bill cannot be counted" in report.stopped_by
    assert words in report.stopped_by
    with pytest.raises(AccountStopped, match="cannot be counted") as stopped:
        await here.run(tasks=[AnalysisType.COUNTING])
    assert stopped.value.exit_code == 3
    assert (await here.books()).audit["accepted"] == 3
    assert words in (await here.reelcat("status")).out
    seen = json.loads((await here.reelcat("status", "--json")).out)["unclear_lines"]
    assert [one["acknowledged"] for one in seen] == [False] * 3

    asked = await here.reelcat("reconcile", "--acknowledge-drift")
    assert "of 3 lines that cannot be counted" in " ".join(asked.out.split())
    await here.strike()
    assert (await here.run(tasks=[AnalysisType.COUNTING])).exit_code == 0
    await here.check_all_done(accepted=6, charged=6 * PRICE)


@pytest.mark.parametrize("fault", [Fault.BILLING_WORDS, Fault.BILLING_NAMELESS])
async def test_a_line_that_can_be_counted_after_all_stops_nobody(world, fault):
    here = await world(always(fault))
    await here.run()
    await here.strike()
    await here.reconcile()
    books = await here.check_all_done(accepted=3, charged=3 * PRICE)
    assert books.settled
    expected = 0 if fault is Fault.BILLING_WORDS else 3  # a line that is nobody's stays so
    assert here.read(lambda s: settlement.unseen(s, here.sandbox.base_url)).lines == expected


@pytest.mark.parametrize("fault", [Fault.BILLING_NAMELESS])
async def test_a_failure_is_not_free_where_a_line_is_nobodys(world, fault):
    here = await world(Fault.TASK_FAILED_1401, always(fault), films=1)
    await here.run()
    here.clock.advance(2 * HOUR)
    await here.reconcile()
    assert (await here.check()).totals.held == PRICE


@pytest.mark.parametrize("fault", [Fault.BILLING_EXCESS])
async def test_a_refund_of_more_than_was_deducted_is_no_gift_and_stops_paid_runs(world, fault):
    here = await world(always(fault))
    report = await here.run()
    assert (report.status, report.exit_code) == (RunStatus.ACCOUNT_STOPPED, 3)
    assert "refunds of more than was deducted" in report.stopped_by
    books = await here.check()
    assert (books.totals.charged, books.settled) == (3 * PRICE, False)


@pytest.mark.parametrize("fault", [Fault.BILLING_SURCHARGE])
async def test_what_is_no_refund_counts_and_stops_paid_runs(world, fault):
    here = await world(always(fault))
    report = await here.run(check=False)  # the provider's books know of no surcharge
    assert (report.status, report.exit_code) == (RunStatus.ACCOUNT_STOPPED, 3)
    assert "neither a deduction nor a refund" in report.stopped_by
    assert (await here.books()).totals.charged == 3 * (PRICE + 50_000)


@pytest.mark.parametrize("fault", [Fault.BILLING_SMALL_PAGES])
async def test_a_bill_in_smaller_pages_than_asked_for_is_read_to_its_end(world, fault):
    here = await world(always(fault), films=7)
    assert (await here.run()).exit_code == 0
    books = await here.check_all_done(accepted=7, charged=7 * PRICE)
    assert books.settled


@pytest.mark.parametrize("fault", [Fault.BILLING_SHORT])
async def test_a_bill_that_lacks_what_it_counts_confirms_nothing(world, fault):
    here = await world(Fault.TASK_FAILED_1401, always(fault))
    report = await here.run()
    assert any("is not whole" in notice for notice in report.stats.notices)
    here.clock.advance(2 * DAY_LONG)
    await here.reconcile()
    books = await here.books()
    assert (books.totals.held, books.settled) == (PRICE, False)
    await here.strike()
    await here.reconcile()
    assert (await here.check()).settled


@pytest.mark.parametrize("fault", [Fault.REFUND_LATE])
async def test_a_refund_that_is_late_is_waited_for(world, fault):
    here = await world(Fault.TASK_FAILED_5000, fault)
    await here.run()
    books = await here.books()
    assert (books.totals.held, books.totals.charged) == (PRICE, 2 * PRICE)
    assert (await here.run()).stats.analyses.submitted == 0

    here.clock.advance(3 * HOUR)
    await here.reconcile()
    books = await here.books()
    assert (books.totals.held, books.totals.charged) == (0, 2 * PRICE)
    assert books.analyses == {AnalysisStatus.COMPLETED: 2, AnalysisStatus.WANTED: 1}
    await here.run()
    await here.check_all_done(accepted=4, charged=3 * PRICE)


@pytest.mark.parametrize("fault", [Fault.REFUND_NEVER])
async def test_a_refund_that_never_comes_is_a_charge_after_a_day(world, fault):
    here = await world(Fault.TASK_FAILED_1200, fault)
    await here.run()
    here.clock.advance(DAY_LONG + HOUR)
    await here.reconcile()
    books = await here.check()
    assert (books.totals.held, books.totals.charged) == (0, 3 * PRICE)
    assert books.settled


@pytest.mark.parametrize("fault", [Fault.BILLING_MICROS])
async def test_a_bill_in_micro_dollars_is_read_as_that(world, fault):
    here = await world(always(fault))
    assert (await here.run()).exit_code == 0
    books = await here.check_all_done(accepted=3, charged=3 * PRICE)
    assert books.settled


@pytest.mark.parametrize("fault", [Fault.BILLING_EMPTY])
async def test_an_empty_bill_confirms_nothing(world, fault):
    here = await world(always(fault))
    await here.run()
    books = await here.books()
    assert not books.settled
    assert books.totals.charged == 3 * PRICE

    await here.strike()
    await here.reconcile()
    assert (await here.check_all_done(accepted=3, charged=3 * PRICE)).settled


@pytest.mark.parametrize("fault", [Fault.BILLING_429, Fault.BILLING_500])
async def test_a_bill_that_cannot_be_read_is_settled_by_a_later_run(world, fault):
    here = await world(fault)
    assert (await here.run()).stats.notices == []
    assert (await here.books()).settled

    here = await world(always(fault))
    report = await here.run()
    assert (report.status, report.exit_code) == (RunStatus.COMPLETED, 0)
    (notice,) = report.stats.notices
    assert notice.startswith("The bill could not be compared")
    assert not (await here.books()).settled
    await here.strike()
    await here.reconcile()
    assert (await here.check_all_done(accepted=3, charged=3 * PRICE)).settled


@pytest.mark.parametrize("fault", [Fault.BALANCE_404])
async def test_a_provider_that_tells_no_balance_is_a_notice(world, fault):
    here = await world(always(fault))
    report = await here.run()
    assert report.exit_code == 0
    assert report.stats.notices == ["The provider does not tell the account's balance."]
    await here.check_all_done(accepted=3)


@pytest.mark.parametrize("fault", [Fault.BALANCE_500])
async def test_a_balance_that_cannot_be_read_stops_the_run_before_anything_is_spent(world, fault):
    here = await world(fault)
    assert (await here.run()).exit_code == 0

    here = await world(always(fault))
    with pytest.raises(ProviderUnreadable, match="Try again later"):
        await here.run()
    books = await here.check()
    assert books.audit["accepted"] == 0
    assert books.audit["requests"].get("ticket", 0) == 0


@pytest.mark.parametrize("fault", [Fault.PRICE_404, Fault.PRICE_400])
async def test_a_provider_that_quotes_nothing_is_a_notice(world, fault):
    here = await world(always(fault))
    report = await here.run()
    assert report.exit_code == 0
    assert report.stats.notices == ["The provider does not quote a price of its own."]
    await here.check_all_done(accepted=3)


@pytest.mark.parametrize("fault", [Fault.PRICE_DOUBLED])
async def test_a_provider_that_charges_more_stops_the_run_with_both_numbers(world, fault):
    here = await world(always(fault))
    with pytest.raises(AccountStopped, match=r"\$0\.01 .*\$0\.005") as stopped:
        await here.run()
    assert stopped.value.exit_code == 3
    books = await here.check()
    assert (books.audit["accepted"], books.totals.held) == (0, 0)


async def test_too_small_a_balance_stops_the_run_with_both_numbers(world):
    here = await world(balance_micros=PRICE - 1)
    with pytest.raises(AccountStopped, match=r"\$0\.004999.*\$0\.005") as stopped:
        await here.run()
    assert stopped.value.exit_code == 3
    assert (await here.check()).audit["accepted"] == 0


async def test_a_balance_for_a_part_of_the_plan_is_said_and_spent(world):
    here = await world(films=8, balance_micros=2 * PRICE)
    report = await here.run(concurrency=1)
    assert any("$0.01" in one and "$0.04" in one for one in report.stats.notices)
    assert (report.status, report.exit_code) == (RunStatus.ACCOUNT_STOPPED, 3)
    books = await here.check()
    assert books.analyses == {AnalysisStatus.COMPLETED: 2, AnalysisStatus.WANTED: 6}
    await here.sandbox.set_balance(BUDGET)
    await here.run()
    await here.check_all_done(accepted=8)


@pytest.mark.parametrize("fault", [Fault.BILLING_EMPTY])
async def test_a_bill_that_is_empty_once_frees_nothing_however_old_the_failure_is(world, fault):
    here = await world(Fault.TASK_FAILED_1200, Fault.REFUND_NEVER)
    await here.run()
    here.clock.advance(8 * DAY_LONG)
    await here.strike(once(fault))
    await here.reconcile()
    books = await here.books()
    assert (books.totals.held, books.totals.charged) == (PRICE, 2 * PRICE)

    await here.reconcile()
    books = await here.check()
    assert (books.totals.held, books.totals.charged) == (0, 3 * PRICE)
    assert books.settled


@pytest.mark.parametrize("fault", [Fault.BILLING_EMPTY])
async def test_a_bill_that_is_empty_for_a_week_has_nothing_to_say(world, fault):
    here = await world(Fault.TASK_FAILED_1200, always(fault))
    await here.run()
    for days in (3, 3, 3):
        here.clock.advance(days * DAY_LONG)
        await here.reconcile()
        books = await here.books()
        assert (books.totals.held, books.totals.charged) == (PRICE, 2 * PRICE)
    here.clock.advance(2 * DAY_LONG)
    await here.reconcile()
    books = await here.books()
    assert (books.totals.held, books.totals.charged) == (0, 2 * PRICE)


@pytest.mark.parametrize("fault", [Fault.BILLING_EMPTY])
async def test_a_bill_that_shows_something_in_between_was_not_silent(world, fault):
    here = await world(Fault.TASK_FAILED_1200, Fault.REFUND_LATE, always(fault), films=1)
    await here.run()
    await here.strike()
    await here.reconcile()  # the deduction shows, the refund does not yet
    await here.strike(always(fault))
    here.clock.advance(8 * DAY_LONG)
    await here.reconcile()
    books = await here.books()
    assert (books.totals.held, books.totals.charged) == (PRICE, 0)
