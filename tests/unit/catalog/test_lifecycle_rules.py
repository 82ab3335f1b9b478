"""The one table of moves, and what it promises about money and uniqueness."""

from __future__ import annotations

import itertools

import pytest

from catalog.errors import IllegalMove
from catalog.lifecycle import ENDED, IN_FLIGHT, LIVE, MOVES, check_move
from catalog.models import Prediction
from catalog.values import PredictionStatus as Status

LEGAL = {
    ("held", "submitting"),
    ("held", "released"),
    ("released", "running"),  # accepted after all
    ("released", "uncertain"),  # sent after all, and its answer was lost
    ("submitting", "running"),
    ("submitting", "uncertain"),
    ("submitting", "released"),
    ("uncertain", "running"),
    ("uncertain", "released"),
    ("running", "completed"),
    ("running", "failed"),
    ("running", "expired"),
}


@pytest.mark.parametrize(
    ("before", "after"), list(itertools.product(Status, Status)), ids=lambda status: status.value
)
def test_exactly_the_designed_moves_are_legal(before, after):
    if (before.value, after.value) in LEGAL:
        check_move(before, after)
    else:
        with pytest.raises(IllegalMove, match=f"{before.value} to {after.value}"):
            check_move(before, after)


def test_every_state_is_in_the_table():
    assert set(MOVES) == set(Status)


def test_what_may_have_been_accepted_is_never_bought_beside():
    may_be_out_or_answered = {Status.SUBMITTING, Status.UNCERTAIN, Status.RUNNING, Status.COMPLETED}
    assert may_be_out_or_answered <= LIVE
    assert LIVE.isdisjoint({Status.FAILED, Status.EXPIRED, Status.RELEASED})


def test_only_what_has_ended_stays_as_it_is():
    assert {status for status in Status if not MOVES[status]} == ENDED


def test_what_may_run_at_the_provider_counts_against_its_limit():
    assert {Status.SUBMITTING, Status.RUNNING} <= IN_FLIGHT <= LIVE


def test_the_index_against_a_second_live_prediction_knows_the_same_states():
    index = next(one for one in Prediction.__table__.indexes if one.name == "uq_predictions_live")
    assert index.unique
    for dialect in ("sqlite", "postgresql"):
        where = str(index.dialect_options[dialect]["where"])
        assert {status for status in Status if f"'{status.value}'" in where} == LIVE
