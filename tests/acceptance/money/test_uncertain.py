"""Submissions of unknown outcome: found by proof, or left to a person, never guessed."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest
from money_world import BUDGET, DAY_LONG, HOUR, PRICE, always, once

from catalog.errors import UsageError
from catalog.values import AnalysisStatus, Order, PredictionStatus, RunStatus
from flows.pipeline.runner import LocalRunner
from tasks.sandbox.faults import Fault, FaultPlan, Scripted

pytestmark = pytest.mark.anyio

MUTE = always(Fault.LIST_WITHOUT_INPUTS)


async def uncertain_one(world, *script, **changes):
    """A world in which one submission's answer was lost and the list does not tell."""
    here = await world(*script, MUTE, **changes)
    report = await here.run()
    assert report.stats.analyses.uncertain == 1
    (lost,) = [
        one for one in (await here.books()).predictions if one.status is PredictionStatus.UNCERTAIN
    ]
    return here, lost


async def test_a_lost_answer_is_found_while_others_are_bought(world):
    # Where no price is quoted the first one is bought alone, so the others begin after its loss.
    never_ends = Scripted(fault=Fault.TASK_NEVER_ENDS, first=3)
    here = await world(always(Fault.PRICE_404), Fault.SUBMIT_LOST_RESET, never_ends)
    here.change(wait_minutes=60)
    runner = LocalRunner()
    running = asyncio.create_task(here.run(runner=runner))
    while (await here.books()).analyses[AnalysisStatus.COMPLETED] < 2:
        assert not running.done()
        await asyncio.sleep(0.05)
    runner.stop()
    analyses = (await running).stats.analyses
    assert (analyses.completed, analyses.left_running, analyses.uncertain) == (2, 1, 0)
    assert (await here.books()).audit["accepted"] == 3


async def test_the_only_stray_of_an_exclusive_account_is_the_only_lost_submission(world):
    here = await world(Fault.SUBMIT_LOST_RESET, MUTE, settings={"exclusive_account": True})
    assert (await here.run()).exit_code == 0
    await here.check_all_done(accepted=3, charged=3 * PRICE)


async def test_two_strays_are_not_chosen_between_even_on_an_exclusive_account(world):
    two = (Fault.SUBMIT_LOST_RESET, Fault.SUBMIT_LOST_500)
    here = await world(
        *(always(fault) for fault in two[:1]), MUTE, films=2, settings={"exclusive_account": True}
    )
    report = await here.run()
    assert report.stats.analyses.uncertain == 2
    books = await here.books()
    assert books.statuses == {PredictionStatus.UNCERTAIN: 2}
    assert books.totals.held == 2 * PRICE

    await here.strike()
    await here.reconcile()
    await here.check_all_done(accepted=2, charged=2 * PRICE)


async def test_a_stray_of_somebody_else_holds_up_what_never_arrived_on_a_shared_account(world):
    here = await world(Fault.SUBMIT_DROPPED_RESET, MUTE, always(Fault.HISTORY_FOREIGN_ROWS))
    await here.run(order=Order.PATH, limit=2)
    here.clock.advance(HOUR)
    await here.run()  # what it buys would be the witness
    assert (await here.books()).audit["accepted"] == 2
    await here.run()
    assert (await here.books()).statuses[PredictionStatus.UNCERTAIN] == 1

    await here.strike()
    await here.run()
    await here.run()
    await here.check_all_done(accepted=3, charged=3 * PRICE)


async def test_nothing_is_sent_again_however_often_it_is_run(world):
    here, lost = await uncertain_one(world, Fault.SUBMIT_LOST_STALL)
    for _ in range(2):
        report = await here.run()
        assert report.stats.analyses.in_flight_elsewhere == 1
        await here.reconcile()
    books = await here.books()
    assert books.audit["accepted"] == 3
    assert books.totals.held == PRICE
    assert [one.id for one in books.predictions if one.status is PredictionStatus.UNCERTAIN] == [
        lost.id
    ]


async def test_a_person_may_give_a_submission_up_by_its_number(world):
    here, lost = await uncertain_one(
        world, Fault.SUBMIT_DROPPED_500, always(Fault.HISTORY_FOREIGN_ROWS)
    )
    report = await here.reconcile(assume_lost=[lost.id])
    assert (report.status, report.exit_code) == (RunStatus.COMPLETED, 0)
    books = await here.books()
    assert (books.totals.held, books.analyses[AnalysisStatus.WANTED]) == (0, 1)
    await here.run()
    await here.check_all_done(accepted=3, charged=3 * PRICE)


async def test_a_number_that_is_not_uncertain_is_refused_and_nothing_is_decided(world):
    here, lost = await uncertain_one(
        world, Fault.SUBMIT_DROPPED_500, always(Fault.HISTORY_FOREIGN_ROWS)
    )
    with pytest.raises(UsageError, match="is not uncertain"):
        await here.reconcile(assume_lost=[lost.id, 99])
    assert (await here.check()).statuses[PredictionStatus.UNCERTAIN] == 1


async def test_proof_goes_before_a_persons_guess(world):
    here, lost = await uncertain_one(world, Fault.SUBMIT_LOST_RESET)
    await here.strike()
    report = await here.reconcile(assume_lost=[lost.id])
    assert any("was not given up" in one for one in report.stats.notices)
    await here.check_all_done(accepted=3, charged=3 * PRICE)


async def test_what_is_older_than_a_person_waits_is_given_up_and_nothing_younger(world):
    here, _ = await uncertain_one(
        world, Fault.SUBMIT_DROPPED_500, always(Fault.HISTORY_FOREIGN_ROWS)
    )
    here.clock.advance(DAY_LONG)
    report = await here.reconcile(older_than=timedelta(days=2))
    assert report.stats.analyses.uncertain == 1
    report = await here.reconcile(older_than=timedelta(hours=23))
    assert report.stats.analyses.uncertain == 0
    assert (await here.books()).totals.held == 0


async def test_an_old_submission_is_not_called_lost_because_the_list_has_forgotten_it(world):
    here, _ = await uncertain_one(world, Fault.SUBMIT_LOST_RESET)
    await here.strike()
    here.clock.advance(8 * DAY_LONG)
    report = await here.reconcile(check=False)
    assert report.stats.analyses.uncertain == 1
    assert (await here.books()).totals.held == PRICE


async def test_giving_up_by_age_is_an_option_of_the_command(world):
    here, _ = await uncertain_one(
        world, Fault.SUBMIT_DROPPED_500, always(Fault.HISTORY_FOREIGN_ROWS)
    )
    asked = await here.reelcat("reconcile", "--older-than", "soon")
    assert asked.code == 2
    assert "8d, 12h or 90m" in asked.err
    assert (await here.reelcat("reconcile", "--older-than", "8d", "--json")).code == 1
    asked = await here.reelcat("reconcile", "--older-than", "0m", "--json")
    assert (asked.code, json.loads(asked.out)["analyses"]["uncertain"]) == (0, 0)


async def test_what_was_given_up_wrongly_is_not_taken_for_another_submission(world):
    """Its row stays in the list; without inputs it looks like any other that was lost then."""
    here = await world(Fault.SUBMIT_LOST_RESET, MUTE, films=2)
    await here.run(order=Order.PATH, limit=1)
    (lost,) = (await here.books()).predictions
    await here.reconcile(assume_lost=[lost.id], check=False)
    await here.strike(once(Fault.SUBMIT_DROPPED_RESET, first=2), MUTE)
    here.change(exclusive_account=True)
    await here.run(check=False, order=Order.PATH, concurrency=1)
    books = await here.books()
    assert not [one for one in books.problems if "asked about" in one]
    assert books.statuses[PredictionStatus.UNCERTAIN] == 1


async def test_a_provider_that_loses_a_fifth_of_its_answers_loses_nothing(world):
    rates = {
        Fault.SUBMIT_LOST_RESET: 0.1,
        Fault.SUBMIT_LOST_502: 0.05,
        Fault.SUBMIT_DROPPED_504: 0.05,
    }
    here = await world(films=60, faults=FaultPlan(rates=rates, script=(MUTE,), seed=3))
    report = await here.run(budget=BUDGET, order=Order.PATH, limit=55)
    books = await here.books()
    assert books.audit["answers_lost"] >= 5
    done, open_ = books.statuses[PredictionStatus.COMPLETED], report.stats.analyses.uncertain
    assert done + open_ == 55
    assert open_ == books.statuses[PredictionStatus.UNCERTAIN]
    assert len([one for one in report.stats.failures if one.kind == "uncertain"]) == open_
    assert report.exit_code == 1

    await here.strike()
    here.clock.advance(HOUR)
    await here.run()  # what it buys is the witness
    await here.run()
    await here.check_all_done(accepted=60, charged=60 * PRICE)


async def test_a_provider_that_loses_a_fifth_and_echoes_inputs_is_done_in_one_run(world):
    rates = {
        Fault.SUBMIT_LOST_RESET: 0.1,
        Fault.SUBMIT_LOST_CUT_JSON: 0.05,
        Fault.SUBMIT_DROPPED_500: 0.05,
    }
    here = await world(films=60, faults=FaultPlan(rates=rates, seed=4))
    report = await here.run(budget=60 * PRICE)
    assert (report.status, report.exit_code) == (RunStatus.COMPLETED, 0)
    assert report.stats.analyses.completed == 60
    books = await here.check_all_done(accepted=60, charged=60 * PRICE)
    assert books.audit["answers_lost"] >= 5
