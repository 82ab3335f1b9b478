"""A list that is later than the settle delay says: what it lacks may still have been accepted."""

from __future__ import annotations

from datetime import timedelta

import pytest
from money_world import DAY_LONG, HOUR, once

from catalog.values import PredictionStatus
from tasks.sandbox.faults import Fault

pytestmark = pytest.mark.anyio


async def test_a_list_that_lacks_what_we_know_of_proves_nothing_until_it_has_caught_up(world):
    third = once(Fault.SUBMIT_LOST_RESET, first=3)
    here = await world(third, films=3, list_lag_seconds=HOUR.total_seconds())
    await here.run(concurrency=1)
    here.clock.advance(HOUR / 2)
    await here.run()
    books = await here.check()
    assert books.statuses[PredictionStatus.UNCERTAIN] == 1
    assert books.audit["accepted"] == 3

    here.clock.advance(HOUR)
    await here.reconcile()
    await here.check_all_done(accepted=3)


async def test_what_the_provider_has_forgotten_is_not_missed_in_its_list(world):
    here = await world(films=3)
    await here.run(include=("film-000.mp4",))
    here.clock.advance(8 * DAY_LONG)
    await here.strike(Fault.SUBMIT_DROPPED_RESET)
    await here.run(include=("film-001.mp4",))
    here.clock.advance(timedelta(minutes=5))
    await here.run()  # what it buys is the witness
    await here.run()
    await here.check_all_done(accepted=3)
