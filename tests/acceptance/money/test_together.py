"""Several runs at once on one catalog and one account."""

from __future__ import annotations

import asyncio
from contextlib import closing

import pytest
from money_runners import Meeting
from money_world import PRICE, set_budget
from sqlalchemy import update

from catalog import budgets
from catalog.database import connect
from catalog.models import Location
from catalog.values import AnalysisStatus, AnalysisType
from flows.pipeline import ingest
from flows.pipeline.runner import LocalRunner, Step
from tasks.sandbox.faults import Fault

pytestmark = pytest.mark.anyio

RUNS = 4


async def test_runs_that_plan_at_the_same_time_share_one_days_limit(world):
    here = await world(films=12)
    set_budget(here, day=3 * PRICE)
    everybody = asyncio.Barrier(RUNS)
    async with asyncio.TaskGroup() as group:
        for number in range(RUNS):
            own = tuple(f"film-{3 * number + film:03}.mp4" for film in range(3))
            runner = Meeting(everybody)
            group.create_task(here.run(budget=None, runner=runner, include=own, check=False))
    books = await here.check()
    assert books.analyses[AnalysisStatus.COMPLETED] == 3
    day = f"day:{here.clock():%Y-%m-%d}"
    (usage,) = here.read(lambda session: budgets.usages(session, [day]))
    assert usage.committed_micros == 3 * PRICE


async def test_runs_over_the_same_films_pay_for_each_once(world):
    here = await world(Fault.SUBMIT_LOST_RESET, Fault.SUBMIT_429, films=8)
    async with asyncio.TaskGroup() as group:
        for _ in range(RUNS):
            group.create_task(
                here.run(tasks=(AnalysisType.SUMMARY, AnalysisType.COUNTING), check=False)
            )
    await here.reconcile()
    await here.run(tasks=(AnalysisType.SUMMARY, AnalysisType.COUNTING))
    await here.check_all_done(accepted=16, charged=16 * PRICE)


class StoppedWhileLooking(LocalRunner):
    """Is asked to stop when the second batch of files begins."""

    def __init__(self):
        super().__init__()
        self.looking = []

    async def batch(self, step, label, work):
        if step is Step.PROBE:
            self.looking.append(label)
        if len(self.looking) == 2:
            self.stop()
        return await work()


async def test_a_stop_begins_no_further_batch_of_files(world, monkeypatch):
    monkeypatch.setattr(ingest, "BATCH", 2)
    here = await world(films=9)
    with closing(connect(here.catalog_url)) as catalog, catalog.writing.begin() as connection:
        connection.execute(update(Location).values(probe_status=None, video_id=None))
    runner = StoppedWhileLooking()
    await here.run(runner=runner, check=False)
    assert len(runner.looking) == 2
