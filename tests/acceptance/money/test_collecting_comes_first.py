"""What was paid for is collected, also by a run that is stopped before it buys anything."""

from __future__ import annotations

import asyncio
import random

import pytest
from money_world import DAY_LONG, PRICE
from sqlalchemy import func, select

from catalog.errors import AccountStopped
from catalog.models import Analysis
from catalog.values import AnalysisStatus, AnalysisType
from flows.cli.summary import print_run
from flows.pipeline.request import RunRequest
from flows.pipeline.runner import LocalRunner, Step
from tasks.poll import Poller
from tasks.wavespeed.polling import PollSchedule, ServiceTimes, Unseen

pytestmark = pytest.mark.anyio

AT_ONCE, A_MINUTE = 0.00001, 1.0


async def left_running(world):
    """Three predictions that end when time has passed, left by a run that waited for none."""
    here = await world(films=3, latency_scale=100)
    here.change(wait_minutes=AT_ONCE)
    assert (await here.run()).stats.analyses.left_running == 3
    return here


async def test_an_account_without_credit_collects_what_it_has_paid_for(world):
    here = await left_running(world)
    here.clock.advance(DAY_LONG)
    await here.sandbox.set_balance(0)
    here.change(wait_minutes=A_MINUTE)
    with pytest.raises(AccountStopped):
        await here.run(tasks=(AnalysisType.SUMMARY, AnalysisType.COUNTING))
    books = await here.check()
    assert books.analyses == {AnalysisStatus.COMPLETED: 3, AnalysisStatus.WANTED: 3}
    assert (books.totals.held, books.totals.charged) == (0, 3 * PRICE)


async def test_what_is_collected_beside_is_not_called_in_flight_elsewhere(world, capsys):
    here = await left_running(world)
    here.change(wait_minutes=A_MINUTE)
    running = asyncio.create_task(here.run())
    await asyncio.sleep(1)  # the plan has mostly been made by then
    here.clock.advance(DAY_LONG)
    report = await running
    analyses = report.stats.analyses
    assert (analyses.wanted, analyses.collected, analyses.in_flight_elsewhere) == (3, 3, 0)
    print_run(report)
    assert "3 wanted · 3 collected from earlier runs" in capsys.readouterr().out
    await here.check_all_done(accepted=3, charged=3 * PRICE)


async def test_what_is_collected_before_the_plan_is_not_called_done_before(world, capsys):
    here = await left_running(world)
    here.clock.advance(DAY_LONG)
    (here.folder / "no-film.mp4").write_bytes(b"to be looked at")
    here.change(wait_minutes=A_MINUTE)
    report = await here.run(runner=DoorThatWaits(here, completed=3))
    analyses = report.stats.analyses
    assert (analyses.wanted, analyses.done_before, analyses.collected) == (3, 0, 3)
    print_run(report)
    assert "3 wanted · 3 collected from earlier runs" in capsys.readouterr().out


async def test_what_is_taken_over_late_teaches_nothing_of_how_long_predictions_take(world):
    here = await world(films=1)
    await here.run()
    (bought,) = (await here.books()).predictions
    async with here.services(RunRequest.of(provider="wavespeed")) as services:
        poller = Poller(
            services=services,
            schedule=PollSchedule(
                min_gap_seconds=0.5
            ),  # looked at in time, however busy it is here
            times=ServiceTimes(),
            unseen=Unseen(),
            rng=random.Random(1),
        )
        for accepted_at, learned in (
            (services.clock() - DAY_LONG, 0),
            (services.clock(), 1),
        ):
            assert await poller.follow(bought.provider_id, accepted_at=accepted_at, expires_at=None)
            assert len(poller.times) == learned


class DoorThatWaits(LocalRunner):
    """Looks at nothing until so many analyses are completed, so that no plan is made before."""

    def __init__(self, world, *, completed: int) -> None:
        super().__init__()
        self._world, self._completed = world, completed

    async def batch(self, step, label, work):
        async with asyncio.timeout(120):
            while step is not Step.COLLECT and self._done() < self._completed:  # noqa: ASYNC110 - the catalog alone knows
                await asyncio.sleep(0.01)
        return await work()

    def _done(self) -> int:
        query = select(func.count()).where(Analysis.status == AnalysisStatus.COMPLETED)
        return self._world.read(lambda session: session.scalar(query))
