"""Answers that come for what was released, and what another catalog bought: all of it counts."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
import single_moves
from catalog_rows import ANSWER, ENDPOINT, NOW, jobs, purchase, scopes, start_run, tokens
from catalog_rows import wanted_analyses as wanted
from sqlalchemy import func, select

from catalog import adoption, budgets, holding, ledger, predictions
from catalog.adoption import Claim
from catalog.models import Analysis, LedgerEntry, Prediction
from catalog.rate_limits import Limits
from catalog.settlement import Settlement
from catalog.values import PredictionStatus

QUOTE = 10_000
NO_LIMITS = Limits(starts_per_minute=None, in_flight=None)


def bought(catalog, analysis_ids, run_id="run"):
    """Hold and intend; gives the prediction of the first."""
    held = catalog.write(
        partial(
            holding.hold,
            jobs=jobs(analysis_ids, QUOTE),
            purchase=purchase(run_id),
            now=NOW,
            unique=tokens(f"{run_id}-"),
        )
    ).held
    catalog.write(
        partial(
            holding.intend,
            prediction_ids=[one.prediction_id for one in held],
            endpoint=ENDPOINT,
            limits=NO_LIMITS,
            now=NOW,
        )
    )
    return held[0].prediction_id


def do(catalog, move, prediction_id, *args, **keywords):
    return catalog.write(lambda session: move(session, prediction_id, *args, **keywords))


def released_one(catalog):
    """One whose sender was taken for dead, and which was found never to have arrived."""
    ids = wanted(catalog, 1)
    start_run(catalog, "run", 100_000)
    one = bought(catalog, ids)
    do(catalog, predictions.lose, one, reason="It died.", now=NOW, may_be_asleep=True)
    assert do(catalog, predictions.deny, one, now=NOW)
    return one, ids


def look(catalog, prediction_id):
    with catalog.read() as session:
        assert ledger.disagreements(session) == []
        one = session.get_one(Prediction, prediction_id)
        analysis = session.get_one(Analysis, one.analysis_id)
        committed = budgets.usages(session, ["run:run"])[0].committed_micros
        return one.status, one.surplus, analysis.status.value, committed


def test_an_acceptance_that_comes_for_a_released_prediction_is_written_down(catalog):
    one, _ = released_one(catalog)
    assert look(catalog, one) == (PredictionStatus.RELEASED, False, "wanted", 0)
    assert do(catalog, single_moves.accept, one, "p1", now=NOW)
    assert look(catalog, one) == (PredictionStatus.RUNNING, False, "pending", QUOTE)
    assert do(catalog, single_moves.complete, one, ANSWER, coverage=None, now=NOW)
    assert look(catalog, one) == (PredictionStatus.COMPLETED, False, "completed", QUOTE)


def test_it_is_surplus_beside_one_that_was_bought_meanwhile_and_both_count(catalog):
    one, ids = released_one(catalog)
    start_run(catalog, "other", 100_000)
    other = bought(catalog, ids, "other")
    do(catalog, single_moves.accept, other, "p2", now=NOW)
    assert do(catalog, single_moves.accept, one, "p1", now=NOW)
    assert look(catalog, one) == (PredictionStatus.RUNNING, True, "pending", QUOTE)
    do(catalog, single_moves.complete, other, ANSWER, coverage=None, now=NOW)
    do(catalog, single_moves.complete, one, ANSWER, coverage=None, now=NOW)
    with catalog.read() as session:
        charged = session.scalar(
            select(func.sum(LedgerEntry.amount_micros)).where(LedgerEntry.kind == "charge")
        )
        assert int(charged) == 2 * QUOTE
    found = Settlement(deducted=QUOTE, refunded=0)
    assert do(catalog, single_moves.settle, one, found, now=NOW)


def test_a_surplus_one_that_fails_takes_nothing_from_the_answer(catalog):
    one, ids = released_one(catalog)
    start_run(catalog, "other", 100_000)
    other = bought(catalog, ids, "other")
    do(catalog, single_moves.accept, other, "p2", now=NOW)
    do(catalog, single_moves.accept, one, "p1", now=NOW)
    do(catalog, single_moves.complete, other, ANSWER, coverage=None, now=NOW)
    do(catalog, predictions.expire, one, now=NOW)
    assert look(catalog, one)[:3] == (PredictionStatus.EXPIRED, True, "completed")
    do(catalog, single_moves.settle, one, Settlement(deducted=QUOTE, refunded=QUOTE), now=NOW)
    assert look(catalog, one)[2:] == ("completed", 0)


def test_an_answer_that_is_lost_for_a_released_prediction_holds_its_money_again(catalog):
    one, _ = released_one(catalog)
    assert do(catalog, predictions.lose, one, reason="No answer.", now=NOW)
    assert look(catalog, one) == (PredictionStatus.UNCERTAIN, False, "uncertain", QUOTE)


@pytest.mark.parametrize("lives", [False, True])
def test_what_another_catalog_bought_is_claimed_with_its_money(catalog, lives):
    ids = wanted(catalog, 1)
    start_run(catalog, "run", 1)  # whatever the limit says: it was paid already
    if lives:
        start_run(catalog, "other", 100_000)
        do(catalog, single_moves.accept, bought(catalog, ids, "other"), "p2", now=NOW)
    found = Claim(
        analysis_id=ids[0],
        provider_id="p1",
        endpoint=ENDPOINT,
        created_at=NOW,
        quote_micros=QUOTE,
        price_list="list",
        token="another-catalogs",
        spare_token="spare",
        scopes=scopes("run"),
        run_id="run",
        owner_run_id="run",
    )
    claimed = catalog.write(partial(adoption.claim, found=found, now=NOW))
    assert look(catalog, claimed) == (PredictionStatus.RUNNING, lives, "pending", QUOTE)
    assert catalog.write(partial(adoption.claim, found=found, now=NOW)) is None


def test_who_may_be_asleep_is_waited_for_as_long_as_its_intent_lasts(catalog):
    ids = wanted(catalog, 1)
    start_run(catalog, "run", 100_000)
    one = bought(catalog, ids)
    do(catalog, predictions.lose, one, reason="It died.", now=NOW, may_be_asleep=True)
    with catalog.read() as session:
        assert session.get_one(Prediction, one).uncertain_at == NOW + timedelta(seconds=60)


def test_a_surplus_one_takes_the_place_of_one_that_is_released(catalog):
    """A dead run's hold goes, once another catalog's purchase of the same has been claimed."""
    one, ids = released_one(catalog)
    start_run(catalog, "other", 100_000)
    other = bought(catalog, ids, "other")
    do(catalog, single_moves.accept, one, "p1", now=NOW)
    do(catalog, predictions.lose, other, reason="No answer.", now=NOW)
    assert look(catalog, one)[:3] == (PredictionStatus.RUNNING, True, "uncertain")
    assert do(catalog, predictions.deny, other, now=NOW)
    assert look(catalog, one)[:3] == (PredictionStatus.RUNNING, False, "pending")


def test_a_surplus_one_that_was_lost_and_is_found_leaves_the_other_one_uncertain(catalog):
    one, ids = released_one(catalog)
    start_run(catalog, "other", 100_000)
    other = bought(catalog, ids, "other")
    do(catalog, predictions.lose, other, reason="No answer.", now=NOW)
    do(catalog, predictions.lose, one, reason="No answer.", now=NOW)
    assert look(catalog, one)[:3] == (PredictionStatus.UNCERTAIN, True, "uncertain")
    assert do(catalog, single_moves.accept, one, "p1", now=NOW)
    assert look(catalog, one)[:3] == (PredictionStatus.RUNNING, True, "uncertain")


def test_a_surplus_answer_stands_where_the_other_one_fails(catalog):
    one, ids = released_one(catalog)
    start_run(catalog, "other", 100_000)
    other = bought(catalog, ids, "other")
    do(catalog, single_moves.accept, other, "p2", now=NOW)
    do(catalog, single_moves.accept, one, "p1", now=NOW)
    do(catalog, single_moves.complete, one, ANSWER, coverage=None, now=NOW)
    assert look(catalog, one)[:3] == (PredictionStatus.COMPLETED, True, "completed")
    do(catalog, predictions.expire, other, now=NOW)
    assert look(catalog, one)[:3] == (PredictionStatus.COMPLETED, False, "completed")
