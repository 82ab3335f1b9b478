"""A bill that is higher than was quoted: shown, and a stop until somebody has looked."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from money_world import PRICE, always

from catalog.errors import AccountStopped
from catalog.values import AnalysisType, RunStatus
from tasks.sandbox.faults import Fault

pytestmark = pytest.mark.anyio

STRICT = {"drift_tolerance": Decimal("0.01")}


async def test_drift_beyond_the_tolerance_stops_paid_runs_until_a_person_took_note(world):
    here = await world(always(Fault.CHARGE_MORE), settings=STRICT)
    first = await here.run()
    assert (first.status, first.exit_code) == (RunStatus.ACCOUNT_STOPPED, 3)
    assert "3 predictions is $0.015 higher" in str(first.stopped_by)
    await here.strike()

    with pytest.raises(AccountStopped, match=r"3 predictions is \$0\.015 higher") as stopped:
        await here.run(tasks=[AnalysisType.COUNTING])
    assert stopped.value.exit_code == 3
    assert "--acknowledge-drift" in str(stopped.value)

    asked = await here.reelcat("reconcile", "--acknowledge-drift")
    assert asked.code == 0
    assert "Took note of 3 bills" in asked.out
    again = await here.run(tasks=[AnalysisType.COUNTING])
    assert again.stats.analyses.completed == 3
    await here.check_all_done(accepted=6, charged=9 * PRICE)


async def test_where_nobody_says_what_it_costs_one_is_bought_before_the_others(world):
    here = await world(always(Fault.PRICE_404), always(Fault.CHARGE_MORE), films=12)
    report = await here.run()
    assert report.status is RunStatus.ACCOUNT_STOPPED
    assert "The first prediction was billed $0.005 higher" in str(report.stopped_by)
    assert report.stats.analyses.left == 11
    books = await here.check()
    assert books.audit["accepted"] == 1
    assert books.totals.charged == 2 * PRICE


async def test_a_run_with_nothing_to_buy_still_says_that_the_bill_is_higher(world):
    here = await world(always(Fault.CHARGE_MORE), settings=STRICT)
    await here.run()
    again = await here.run()
    assert (again.status, again.exit_code) == (RunStatus.COMPLETED_WITH_FAILURES, 1)
    assert [trouble.kind for trouble in again.stats.failures] == ["drift"]


async def test_the_command_line_stops_with_three_and_one_sentence(world):
    here = await world(always(Fault.CHARGE_MORE), settings=STRICT)
    await here.run()
    asked = await here.reelcat(
        *("run", str(here.folder), "--task", "counting", "--budget", "1", "--no-prefect"),
        REELCAT_DRIFT_TOLERANCE="0.01",
    )
    assert asked.code == 3
    (line,) = asked.err.splitlines()
    assert line.startswith("reelcat: The bill for 3 predictions is $0.015 higher")


async def test_drift_within_the_tolerance_is_only_shown(world):
    here = await world(Fault.CHARGE_MORE, settings=STRICT)
    await here.run()
    assert (await here.run(tasks=[AnalysisType.COUNTING])).status is RunStatus.COMPLETED


async def test_status_shows_drift_in_total_and_by_prediction(world):
    here = await world(Fault.CHARGE_MORE)
    await here.run()
    bill = json.loads((await here.reelcat("status", "--json")).out)["bill"]
    (difference,) = bill.pop("differences")
    assert bill == {
        "settled": 3,
        "quoted_usd": "0.015",
        "charged_usd": "0.02",
        "drift_usd": "0.005",
    }
    assert (difference["quoted_usd"], difference["charged_usd"]) == ("0.005", "0.01")
    assert difference["acknowledged"] is False
    shown = (await here.reelcat("status")).out
    assert "$0.015 quoted · $0.02 billed · +$0.005 drift, over 3 predictions" in shown
    assert "$0.005 quoted, $0.01 billed" in shown


async def test_status_shows_what_was_refunded_and_calls_it_no_drift(world):
    here = await world(Fault.TASK_FAILED_1200)
    await here.run()
    found = json.loads((await here.reelcat("status", "--json")).out)
    assert found["money"] == {"held_usd": "0.00", "charged_usd": "0.01", "refunded_usd": "0.005"}
    assert found["bill"]["drift_usd"] == "0.00"
    assert found["bill"]["differences"] == []
