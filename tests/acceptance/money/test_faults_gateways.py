"""Gateways in front of the provider, which refuse in no words of its own."""

from __future__ import annotations

from datetime import timedelta

import pytest
from money_world import PRICE

from tasks.sandbox.faults import Fault

pytestmark = pytest.mark.anyio

#: Longer than any submission is on its way, and than any list lags.
LATER = timedelta(minutes=30)

LOST = [
    Fault.SUBMIT_LOST_400,
    Fault.SUBMIT_LOST_401,
    Fault.SUBMIT_LOST_402,
    Fault.SUBMIT_LOST_403,
    Fault.SUBMIT_LOST_404,
    Fault.SUBMIT_LOST_413,
    Fault.SUBMIT_LOST_429,
    Fault.SUBMIT_LOST_503,
]


@pytest.mark.parametrize("fault", LOST)
async def test_what_was_accepted_before_a_gateway_refused_it_is_paid_once(world, fault):
    here = await world(fault)
    await here.run(include=("film-000.mp4",))
    books = await here.books()
    assert (books.audit["accepted"], books.audit["answers_lost"]) == (1, 1)
    assert books.totals.held + books.totals.charged == PRICE

    here.clock.advance(LATER)
    await here.strike()
    assert (await here.run()).exit_code == 0
    books = await here.check_all_done(accepted=3, charged=3 * PRICE)
    assert books.audit["orphaned"] == 0


DROPPED = [Fault.SUBMIT_DROPPED_403, Fault.SUBMIT_DROPPED_429, Fault.SUBMIT_DROPPED_503]


@pytest.mark.parametrize("fault", DROPPED)
async def test_what_a_gateway_kept_back_is_bought_once_it_is_seen_to_be_missing(world, fault):
    here = await world(fault)
    await here.run(include=("film-000.mp4",))
    await here.strike()
    here.clock.advance(LATER)
    await here.run(include=("film-001.mp4",))  # its acceptance shows that the list is no older
    here.clock.advance(LATER)
    await here.run()
    here.clock.advance(LATER)
    await here.run()
    await here.check_all_done(accepted=3, charged=3 * PRICE)
