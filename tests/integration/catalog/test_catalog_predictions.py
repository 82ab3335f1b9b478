"""Each move of a paid attempt, with its money."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
import single_moves
from catalog_rows import (
    ANSWER,
    ENDPOINT,
    LASTING,
    NO_LIMITS,
    NOW,
    PASSING,
    jobs,
    purchase,
    scopes,
    start_run,
    tokens,
    wanted_analyses,
)
from sqlalchemy import select

from catalog import budgets, holding, ledger, outstanding, predictions, runs
from catalog.errors import CatalogReplaced, IllegalMove
from catalog.models import Analysis, LedgerEntry, Prediction, Run
from catalog.predictions import KEPT_FOR
from catalog.rate_limits import Limits
from catalog.settlement import Settlement
from catalog.values import AnalysisType, Completed, Failed, RefusalKind, Refused

ITEM = Refused(kind=RefusalKind.ITEM, reason="No such video.")
BUSY = Refused(kind=RefusalKind.PACE, reason="Too many requests.")


def hold(catalog, ids, run_id="run", quote=10_000, now=NOW, **changes):
    return catalog.write(
        partial(
            holding.hold,
            jobs=jobs(ids, quote),
            purchase=purchase(run_id, **changes),
            now=now,
            unique=tokens(f"{run_id}-{int(now.timestamp())}-{ids[0]}-"),
        )
    )


def intend(catalog, prediction_ids, limits=NO_LIMITS, now=NOW):
    return catalog.write(
        partial(
            holding.intend,
            prediction_ids=prediction_ids,
            endpoint=ENDPOINT,
            limits=limits,
            now=now,
        )
    )


def entries_of(session, prediction_id):
    of = LedgerEntry.prediction_id == prediction_id
    return session.scalars(select(LedgerEntry).where(of).order_by(LedgerEntry.id)).all()


def do(catalog, move, prediction_id, *args, **keywords):
    return catalog.write(lambda session: move(session, prediction_id, *args, **keywords))


def held_one(catalog, quote=10_000):
    ids = wanted_analyses(catalog, 1)
    start_run(catalog, "run", 100_000)
    return hold(catalog, ids, quote=quote).held[0].prediction_id


def submitting_one(catalog, **keywords):
    one = held_one(catalog, **keywords)
    intend(catalog, [one])
    return one


def running_one(catalog, **keywords):
    one = submitting_one(catalog, **keywords)
    do(catalog, single_moves.accept, one, "p1", now=NOW)
    return one


def uncertain_one(catalog):
    one = submitting_one(catalog)
    do(catalog, predictions.lose, one, reason="No answer.", now=NOW)
    return one


def state(catalog, prediction_id):
    """Give the status of a prediction, that of its analysis, and what its run has committed."""
    with catalog.read() as session:
        prediction = session.get_one(Prediction, prediction_id)
        analysis = session.get_one(Analysis, prediction.analysis_id)
        usage = budgets.usages(session, [f"run:{prediction.run_id}"])
        assert ledger.disagreements(session) == []
    return prediction.status.value, analysis.status.value, usage[0].committed_micros


def test_a_hold_counts_under_its_run_its_day_and_its_month(catalog):
    held_one(catalog)
    with catalog.read() as session:
        assert [one.committed_micros for one in budgets.usages(session, list(scopes("run")))] == [
            10_000,
            10_000,
            10_000,
        ]


def test_the_narrowest_budget_decides_how_many_are_held(catalog):
    ids = wanted_analyses(catalog, 6)
    start_run(catalog, "run", 100_000)
    catalog.write(partial(budgets.set_limit, scopes=["day"], limit_micros=25_000))
    catalog.write(partial(budgets.set_limit, scopes=["month"], limit_micros=45_000))
    first = hold(catalog, ids)
    assert [held.job.left.analysis_id for held in first.held] == ids[:2]
    assert [job.left.analysis_id for job in first.over_budget] == ids[2:]
    next_day = NOW + timedelta(days=1)
    tomorrow = scopes("run", day="day:2026-11-24")
    assert len(hold(catalog, ids[2:], now=next_day, scopes=tomorrow).held) == 2
    after = scopes("run", day="day:2026-11-25")
    assert hold(catalog, ids[4:], now=next_day + timedelta(days=1), scopes=after).held == ()


def test_a_standing_limit_holds_for_days_that_begin_later_and_not_for_one_that_has_begun(catalog):
    ids = wanted_analyses(catalog, 2)
    start_run(catalog, "run", None)
    hold(catalog, ids[:1])
    catalog.write(partial(budgets.set_limit, scopes=["day"], limit_micros=5_000))
    assert len(hold(catalog, ids[1:]).held) == 1
    tomorrow = scopes("run", day="day:2026-11-24")
    with catalog.read() as session:
        assert budgets.in_force(session, tomorrow.day, "day").limit_micros == 5_000


def test_a_limit_below_what_is_committed_holds_nothing_more_and_takes_nothing_back(catalog):
    ids = wanted_analyses(catalog, 2)
    start_run(catalog, "run", 100_000)
    one = hold(catalog, ids[:1]).held[0].prediction_id
    catalog.write(partial(budgets.set_limit, scopes=["run:run"], limit_micros=1))
    assert hold(catalog, ids[1:], quote=5_000).held == ()
    assert state(catalog, one) == ("held", "pending", 10_000)


def test_what_another_run_has_in_hand_is_not_held_again(catalog):
    ids = wanted_analyses(catalog, 3)
    start_run(catalog, "run", None)
    start_run(catalog, "other", None)
    hold(catalog, ids[:2])
    result = hold(catalog, ids, "other")
    assert [held.job.left.analysis_id for held in result.held] == ids[2:]
    assert [job.left.analysis_id for job in result.taken] == ids[:2]


@pytest.mark.parametrize("quote", [0, 10_000])
def test_a_completed_analysis_is_never_held_again(catalog, quote):
    one = running_one(catalog, quote=quote)
    do(catalog, single_moves.complete, one, ANSWER, coverage=None, now=NOW)
    assert hold(catalog, [1], now=NOW + timedelta(days=30)).held == ()


def test_a_failed_attempt_is_not_bought_again_before_its_bill_is_known(catalog):
    one = running_one(catalog)
    do(catalog, predictions.fail, one, PASSING, now=NOW)
    assert state(catalog, one) == ("failed", "failed", 10_000)
    assert hold(catalog, [1]).held == ()
    do(catalog, single_moves.settle, one, Settlement(deducted=10_000, refunded=10_000), now=NOW)
    assert state(catalog, one) == ("failed", "wanted", 0)
    assert len(hold(catalog, [1], now=NOW + timedelta(hours=1)).held) == 1


def test_a_lasting_failure_stays_failed_and_costs_what_the_bill_says(catalog):
    one = running_one(catalog)
    do(catalog, predictions.fail, one, LASTING, now=NOW)
    do(catalog, single_moves.settle, one, Settlement(deducted=5_000, refunded=2_000), now=NOW)
    assert state(catalog, one) == ("failed", "failed", 3_000)
    with catalog.read() as session:
        assert session.get_one(Prediction, one).charged_micros == 3_000


def test_a_failure_that_may_be_the_videos_is_bought_three_times_at_most(catalog):
    failed = Failed(reason="The task failed.", code=1405, retryable=True)
    ids = wanted_analyses(catalog, 1)
    start_run(catalog, "run", None)
    for attempt in range(3):
        now = NOW + timedelta(hours=attempt)
        one = hold(catalog, ids, now=now).held[0].prediction_id
        intend(catalog, [one])
        do(catalog, single_moves.accept, one, f"p{attempt}", now=now)
        do(catalog, predictions.fail, one, failed, now=now)
        do(catalog, single_moves.settle, one, Settlement(deducted=0, refunded=0), now=now)
    assert state(catalog, one)[1] == "failed"


def test_only_accepted_attempts_count(catalog):
    ids = wanted_analyses(catalog, 1)
    start_run(catalog, "run", None)
    for attempt in range(5):
        now = NOW + timedelta(hours=attempt)
        one = hold(catalog, ids, now=now).held[0].prediction_id
        intend(catalog, [one])
        do(catalog, predictions.refuse, one, BUSY, now=now)
    assert state(catalog, one) == ("released", "wanted", 0)
    with catalog.read() as session:
        assert session.scalars(select(Analysis.attempts)).all() == [0]


def test_an_answer_is_kept_with_its_charge_and_again_changes_nothing(catalog):
    one = running_one(catalog)
    assert do(catalog, single_moves.complete, one, ANSWER, coverage="all", now=NOW)
    assert not do(catalog, single_moves.complete, one, ANSWER, coverage="all", now=NOW)
    assert state(catalog, one) == ("completed", "completed", 10_000)
    with catalog.read() as session:
        analysis = session.scalars(select(Analysis)).one()
        kinds = [(entry.kind.value, entry.amount_micros) for entry in entries_of(session, one)]
        totals = ledger.totals(session)
    assert (analysis.text, analysis.raw, analysis.coverage) == (ANSWER.text, ANSWER.raw, "all")
    assert kinds == [("hold", 10_000), ("release", -10_000), ("charge", 10_000)]
    assert (totals.held, totals.charged) == (0, 10_000)


@pytest.mark.parametrize(
    ("deducted", "refunded", "entries"),
    [(10_000, 0, 3), (7_000, 0, 4), (15_000, 0, 4), (10_000, 10_000, 4)],
    ids=["as quoted", "cheaper", "dearer", "given back"],
)
def test_the_bill_has_the_last_word_once(catalog, deducted, refunded, entries):
    one = running_one(catalog)
    do(catalog, single_moves.complete, one, ANSWER, coverage=None, now=NOW)
    bill = Settlement(deducted=deducted, refunded=refunded)
    assert do(catalog, single_moves.settle, one, bill, now=NOW)
    assert not do(catalog, single_moves.settle, one, bill, now=NOW)
    assert state(catalog, one) == ("completed", "completed", deducted - refunded)
    with catalog.read() as session:
        assert len(entries_of(session, one)) == entries
        assert session.get_one(Prediction, one).charged_micros == deducted - refunded


def test_a_lost_answer_keeps_its_money_and_its_analysis(catalog):
    one = uncertain_one(catalog)
    assert state(catalog, one) == ("uncertain", "uncertain", 10_000)
    assert hold(catalog, [1]).taken != ()
    with catalog.read() as session:
        lost = outstanding.lost(session, ENDPOINT)
    assert [(found.prediction_id, found.lost_at) for found in lost] == [(one, NOW)]


def test_an_adopted_submission_runs_under_who_adopted_it_until_the_provider_forgets_it(catalog):
    one = uncertain_one(catalog)
    start_run(catalog, "other", None)
    adopt = partial(do, catalog, predictions.adopt, one, "p1", run_id="other", now=NOW)
    assert adopt()
    assert not adopt()
    assert state(catalog, one) == ("running", "pending", 10_000)
    with catalog.read() as session:
        prediction = session.get_one(Prediction, one)
    assert (prediction.owner_run_id, prediction.run_id) == ("other", "run")
    assert prediction.expires_at == NOW + KEPT_FOR


def test_a_denied_submission_frees_its_money_and_is_wanted_again(catalog):
    one = uncertain_one(catalog)
    assert do(catalog, predictions.deny, one, now=NOW)
    assert not do(catalog, predictions.deny, one, now=NOW)
    assert state(catalog, one) == ("released", "wanted", 0)


def test_what_was_adopted_cannot_be_denied(catalog):
    one = uncertain_one(catalog)
    do(catalog, predictions.adopt, one, "p1", run_id="run", now=NOW)
    assert not do(catalog, predictions.deny, one, now=NOW)
    assert not do(catalog, predictions.assume_lost, one, now=NOW)
    assert state(catalog, one) == ("running", "pending", 10_000)


@pytest.mark.parametrize("make", [submitting_one, uncertain_one, running_one])
def test_what_may_have_been_sent_is_not_dropped(catalog, make):
    one = make(catalog)
    before = state(catalog, one)
    assert not do(catalog, predictions.drop, one, reason=None, retry=True, now=NOW)
    assert state(catalog, one) == before


def test_what_was_answered_meanwhile_is_not_lost(catalog):
    one = running_one(catalog)
    assert not do(catalog, predictions.lose, one, reason="The process died.", now=NOW)
    assert state(catalog, one) == ("running", "pending", 10_000)


def test_an_end_that_was_recorded_stands_whatever_another_process_saw(catalog):
    one = running_one(catalog)
    do(catalog, single_moves.complete, one, ANSWER, coverage=None, now=NOW)
    assert not do(catalog, predictions.fail, one, LASTING, now=NOW)
    assert not do(catalog, predictions.expire, one, now=NOW)
    assert state(catalog, one) == ("completed", "completed", 10_000)


@pytest.mark.parametrize(
    ("refusal", "expected"), [(ITEM, "failed"), (BUSY, "wanted")], ids=["item", "pace"]
)
def test_a_refusal_frees_the_money_and_only_a_wrong_request_has_failed(catalog, refusal, expected):
    one = submitting_one(catalog)
    do(catalog, predictions.refuse, one, refusal, now=NOW)
    assert state(catalog, one) == ("released", expected, 0)


def test_a_move_that_the_lifecycle_does_not_know_changes_nothing(catalog):
    one = held_one(catalog)
    with pytest.raises(CatalogReplaced):  # only an older catalog calls what was sent held
        do(catalog, single_moves.complete, one, ANSWER, coverage=None, now=NOW)
    assert state(catalog, one) == ("held", "pending", 10_000)
    intend(catalog, [one])
    with pytest.raises(IllegalMove):
        do(catalog, single_moves.complete, one, ANSWER, coverage=None, now=NOW)
    assert state(catalog, one) == ("submitting", "pending", 10_000)


def test_several_moves_of_one_prediction_fit_into_one_transaction(catalog):
    one = held_one(catalog)

    def all_at_once(session):
        holding.intend(session, [one], ENDPOINT, NO_LIMITS, now=NOW)
        predictions.lose(session, one, reason="No answer.", now=NOW)
        predictions.adopt(session, one, "p1", run_id="run", now=NOW)
        single_moves.complete(session, one, ANSWER, coverage=None, now=NOW)
        single_moves.settle(session, one, Settlement(deducted=7_000, refunded=0), now=NOW)

    catalog.write(all_at_once)
    assert state(catalog, one) == ("completed", "completed", 7_000)
    with catalog.read() as session:
        assert session.get_one(Prediction, one).owner_run_id == "run"


def test_an_answer_that_costs_nothing_is_settled_at_once(catalog):
    one = running_one(catalog, quote=0)
    do(catalog, single_moves.complete, one, ANSWER, coverage=None, now=NOW)
    with catalog.read() as session:
        prediction = session.get_one(Prediction, one)
    assert (prediction.charged_micros, prediction.settled_at) == (0, NOW)


def test_intents_are_granted_in_order_as_far_as_the_account_allows(catalog):
    ids = wanted_analyses(catalog, 6)
    start_run(catalog, "run", None)
    held = [one.prediction_id for one in hold(catalog, ids).held]
    do(catalog, predictions.drop, held[0], reason=None, retry=True, now=NOW)
    minute = Limits(starts_per_minute=3, in_flight=None)
    first = intend(catalog, held[:3], minute)
    assert (first.granted, first.gone) == ({held[1], held[2]}, {held[0]})
    assert intend(catalog, held[3:], minute).granted == {held[3]}
    assert intend(catalog, held[4:], minute).granted == frozenset()
    assert intend(catalog, held[4:], minute, NOW + timedelta(minutes=1)).granted == set(held[4:])


def test_what_is_out_uses_up_the_accounts_places_until_it_ends(catalog):
    ids = wanted_analyses(catalog, 4)
    start_run(catalog, "run", None)
    held = [one.prediction_id for one in hold(catalog, ids).held]
    places = Limits(starts_per_minute=None, in_flight=2)
    assert intend(catalog, held, places).granted == set(held[:2])
    assert intend(catalog, held[2:], places).granted == frozenset()
    do(catalog, predictions.refuse, held[0], BUSY, now=NOW)
    do(catalog, single_moves.accept, held[1], "p1", now=NOW)
    assert intend(catalog, held[2:], places).granted == {held[2]}


def test_an_answer_of_any_length_is_kept_whole(catalog):
    ids = wanted_analyses(catalog, 1, AnalysisType.SUMMARY, AnalysisType.COUNTING)
    start_run(catalog, "run", None)
    held = [one.prediction_id for one in hold(catalog, ids).held]
    intend(catalog, held)
    long = Completed(text="wort" * 1_000_000, raw='"long"')
    widest = (
        chr(0x20000 + number // 400) + chr(0x20000 + number % 400) for number in range(90_000)
    )
    many = Completed(text=" ".join(widest), raw='"many"')
    for number, (one, answer) in enumerate(zip(held, [long, many], strict=True)):
        do(catalog, single_moves.accept, one, f"p{number}", now=NOW)
        assert do(catalog, single_moves.complete, one, answer, coverage=None, now=NOW)
    with catalog.read() as session:
        assert session.scalars(select(Analysis.text).order_by(Analysis.id)).all() == [
            long.text,
            many.text,
        ]


def test_orphans_are_what_no_living_run_looks_after_and_are_taken_over_once(catalog):
    ids = wanted_analyses(catalog, 4)
    for run_id in ("dead", "alive", "next", "late"):
        start_run(catalog, run_id, None)
    of_dead = [one.prediction_id for one in hold(catalog, ids[:3], "dead").held]
    hold(catalog, ids[3:], "alive")
    intend(catalog, of_dead[1:])
    do(catalog, single_moves.accept, of_dead[2], "p1", now=NOW)
    catalog.write(partial(runs.bury, run_ids=["dead"], now=NOW))

    def take(run_id):
        return catalog.write(
            lambda session: outstanding.take_over(
                session, run_id=run_id, alive=outstanding.alive_runs(session)
            )
        )

    assert {one.prediction_id for one in take("next")} == set(of_dead)
    assert take("late") == []


def test_a_run_that_was_taken_for_dead_and_gives_a_sign_of_life_is_alive(catalog):
    start_run(catalog, "run", None)
    catalog.write(partial(runs.bury, run_ids=["run"], now=NOW))
    catalog.write(partial(runs.beat, run_id="run", now=NOW))
    with catalog.read() as session:
        assert outstanding.alive_runs(session) == ["run"]
        assert session.get_one(Run, "run").outcome is None


def test_known_predictions_are_found_among_tens_of_thousands_that_are_listed(catalog):
    running_one(catalog)
    listed = [f"p{number}" for number in range(70_000)]
    with catalog.read() as session:
        found = outstanding.known(session, listed)
    assert list(found) == ["p1"]


def test_a_budget_that_disagrees_with_the_ledger_is_named(catalog):
    held_one(catalog)
    for scope in ("run:run", "day:2025-01-01"):
        catalog.write(
            lambda session, scope=scope: (
                budgets.set_limit(session, [scope], None),
                budgets.commit(session, [scope], 1),
            )
        )
    with catalog.read() as session:
        named = ledger.disagreements(session)
    assert sorted(line.partition(" ")[0] for line in named) == ["day:2025-01-01:", "run:run:"]
