"""One run in the hands of several, some of whom die, on both databases."""

from __future__ import annotations

import asyncio
import dataclasses
from contextlib import AsyncExitStack, asynccontextmanager, closing
from datetime import timedelta

import pytest
from catalog_rows import jobs
from money_runners import Meeting
from money_world import DAY_LONG, PRICE, SOON, open_world
from sqlalchemy import select, text, update

from catalog import holding, locations, runs
from catalog.budget_limits import scopes_at
from catalog.database import connect
from catalog.holding import Purchase
from catalog.models import Analysis, Budget, Location, Run
from catalog.values import AnalysisStatus, PredictionStatus, RunStatus
from flows.pipeline import predict
from flows.pipeline import run as running
from flows.pipeline.runner import LocalRunner
from flows.pipeline.workers import HasEnded, shared_request

pytestmark = pytest.mark.anyio

AT_ONCE, A_MINUTE = 0.00001, 1.0
RENAME = "ALTER TABLE {} RENAME TO {}"
LEASE_IS_OVER = runs.HEARTBEAT_LEASE + timedelta(seconds=1)


@pytest.fixture
async def world(tmp_path, catalog_url):
    """Opens a world on either database, in which dying is noticed soon."""
    async with AsyncExitStack() as stack:

        async def opened(**changes):
            here = await stack.enter_async_context(
                open_world(tmp_path / "films", catalog_url, **changes)
            )
            waits = dataclasses.replace(SOON, watch=0.05, others=0.05)
            here.tempo = dataclasses.replace(here.tempo, waits=waits)
            return here

        yield opened


class Calling(Meeting):
    """Calls others as Prefect does: each of them comes as a run of its own."""

    def __init__(self, here, others, everybody):
        super().__init__(everybody)
        self._here, self._others = here, others
        self.came = []

    async def call_others(self, run_id, sources, stats):
        for _ in range(self._others):
            runner = Meeting(self._everybody)
            self.came.append(asyncio.create_task(share(self._here, run_id, runner=runner)))


async def share(here, run_id, **asked):
    request = shared_request(here.settings, run_id, sources=())
    pace = {"workers": request.pace.workers, "concurrency": request.pace.concurrency}
    return await here.run(budget=request.budget_micros, shares=run_id, check=False, **pace, **asked)


def change(here, statement):
    with closing(connect(here.catalog_url)) as catalog:
        return catalog.write(statement)


def as_if_it_died_elsewhere(here, run_id):
    """Let a run that has ended look like one whose machine is gone."""
    change(
        here,
        lambda session: session.execute(
            update(Run)
            .where(Run.id == run_id)
            .values(
                finished_at=None,
                outcome=None,
                counts=None,
                host="elsewhere/1",
                heartbeat_at=here.clock(),
            )
        ),
    )


async def test_a_run_that_is_shared_is_bought_once_on_one_budget(world, monkeypatch):
    monkeypatch.setattr(predict, "BATCH", 10)
    films, paid = 80, 75
    here = await world(films=films)
    runner = Calling(here, others=2, everybody=asyncio.Barrier(3))
    report = await here.run(
        budget=paid * PRICE, runner=runner, workers=3, concurrency=20, check=False
    )
    guests = await asyncio.gather(*runner.came)
    books = await here.check()

    assert books.analyses[AnalysisStatus.COMPLETED] == paid
    assert books.audit["accepted"] == paid
    assert {one.run_id for one in books.predictions} == {report.run_id}
    assert len({one.owner_run_id for one in books.predictions}) > 1
    assert report.status is RunStatus.BUDGET_REACHED
    done = report.stats.analyses
    assert done.completed + done.completed_by_others == paid
    assert done.over_budget == films - paid
    own = sum(one.stats.analyses.completed for one in (report, *guests))
    assert own == paid


async def test_what_the_dead_host_left_elsewhere_is_finished_by_who_shares_its_run(world):
    here = await world(films=4, latency_scale=100)
    here.change(wait_minutes=AT_ONCE)
    host = await here.run(budget=3 * PRICE)  # leaves three running
    as_if_it_died_elsewhere(here, host.run_id)
    here.change(wait_minutes=A_MINUTE)

    sharing = asyncio.create_task(share(here, host.run_id))
    await asyncio.sleep(1)
    assert not sharing.done()  # it may be alive
    here.clock.advance(DAY_LONG)  # its lease is over, and all has ended
    report = await sharing
    books = await here.check()

    assert report.stats.analyses.collected == 3
    assert books.analyses == {AnalysisStatus.COMPLETED: 3, AnalysisStatus.WANTED: 1}
    assert books.audit["unread"] == 0


async def test_what_the_dead_host_held_is_bought_by_who_shares_its_run(world, monkeypatch):
    monkeypatch.setattr(running, "_MOST_ROUNDS", 2)  # waiting for the host is none
    here = await world(films=3)
    host = await here.run(budget=0)
    as_if_it_died_elsewhere(here, host.run_id)

    def hold(session):
        session.execute(
            update(Run)
            .where(Run.id == host.run_id)
            .values(parameters={"sources": [str(here.folder)], "budget_usd": "1"})
        )
        session.execute(
            update(Budget)
            .where(Budget.scope == f"run:{host.run_id}")
            .values(limit_micros=3 * PRICE)
        )
        now = here.clock()
        first_two = session.scalars(select(Analysis.id).order_by(Analysis.id).limit(2))
        return holding.hold(
            session,
            jobs(first_two, PRICE),
            Purchase(
                run_id=host.run_id,
                endpoint=here.sandbox.base_url,
                price_list="list",
                scopes=scopes_at(now, run_id=host.run_id, zone=here.settings.zone),
            ),
            now=now,
            unique=iter(["one", "two"]).__next__,
        )

    assert len(change(here, hold).held) == 2
    sharing = asyncio.create_task(share(here, host.run_id))
    await asyncio.sleep(0.5)
    assert not sharing.done()
    here.clock.advance(LEASE_IS_OVER)
    await sharing

    books = await here.check()
    assert books.analyses == {AnalysisStatus.COMPLETED: 3}
    assert books.audit["accepted"] == books.statuses[PredictionStatus.COMPLETED] == 3
    # What was about to be sent when the clock was put ahead is not sent, and held anew.
    assert books.statuses[PredictionStatus.RELEASED] >= 2


@asynccontextmanager
async def passing_quickly(here):
    """Let the provider's time pass twenty times as fast, so that answers need not be waited for."""

    async def tick():
        while True:
            await asyncio.sleep(0.05)
            here.clock.advance(timedelta(seconds=1))

    ticking = asyncio.create_task(tick())
    try:
        yield
    finally:
        ticking.cancel()


async def test_any_run_looks_after_what_another_leaves_that_dies_while_it_goes_on(world):
    here = await world(films=2, latency_scale=1)
    here.change(wait_minutes=AT_ONCE)
    dead = await here.run(include=("film-000.mp4",))
    as_if_it_died_elsewhere(here, dead.run_id)
    here.change(wait_minutes=A_MINUTE)

    class Dying(LocalRunner):
        """Lets the other one's lease run out when this run is about to buy."""

        async def agree(self, plan, stats):
            here.clock.advance(LEASE_IS_OVER)
            return True

    async with passing_quickly(here):
        report = await here.run(runner=Dying(), include=("film-001.mp4",))

    assert report.stats.analyses.completed == 1
    assert report.stats.analyses.collected == 1
    await here.check_all_done(accepted=2)


async def test_what_a_run_was_looking_at_that_dies_elsewhere_is_looked_at_by_another(world):
    here = await world(films=1)
    dead = await here.run(budget=0)
    as_if_it_died_elsewhere(here, dead.run_id)
    (here.folder / "new.mp4").write_bytes(b"not a film")

    class Slower(LocalRunner):
        """The other one claims what is new before this run does."""

        async def call_others(self, run_id, sources, stats):
            change(here, lambda session: locations.claim(session, new(session), run_id=dead.run_id))

    def new(session):
        return session.scalars(select(Location.id).where(Location.probe_status.is_(None))).all()

    beside = asyncio.create_task(here.run(runner=Slower()))
    await asyncio.sleep(1)
    assert not beside.done()  # the other one may still be looking
    assert len(here.read(new)) == 1
    here.clock.advance(LEASE_IS_OVER)

    assert (await beside).stats.videos.probed == 1
    assert here.read(new) == []


def both_have_bought_as_far_as_there_is_room(books):
    owners = {one.owner_run_id for one in books.predictions}
    return books.statuses[PredictionStatus.RUNNING] >= 4 and len(owners) == 2


async def test_who_shares_a_run_stops_with_it(world, monkeypatch):
    monkeypatch.setattr(predict, "BATCH", 2)
    here = await world(films=9, latency_scale=100)
    runner = Calling(here, others=1, everybody=asyncio.Barrier(2))
    hosting = asyncio.create_task(here.run(runner=runner, workers=2, concurrency=4, check=False))
    async with asyncio.timeout(120):
        while not both_have_bought_as_far_as_there_is_room(await here.books()):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    runner.stop()
    host = await hosting
    (guest,) = await asyncio.gather(*runner.came)
    books = await here.check()

    assert host.status is RunStatus.INTERRUPTED
    assert guest.status is RunStatus.INTERRUPTED
    assert len({one.owner_run_id for one in books.predictions}) == 2
    assert books.statuses[PredictionStatus.RUNNING] >= 4
    assert books.statuses[PredictionStatus.HELD] == 0
    assert books.audit["accepted"] < 9


async def test_a_run_lives_on_after_a_sign_of_life_that_could_not_be_written(
    tmp_path, sqlite_shelf
):
    async with open_world(tmp_path / "films", sqlite_shelf.made(), films=1) as here:
        waits = dataclasses.replace(SOON, watch=0.05, beat=0.05)
        here.tempo = dataclasses.replace(here.tempo, waits=waits)

        def last_sign():
            return here.read(lambda session: session.scalar(select(Run.heartbeat_at)))

        class Faltering(LocalRunner):
            """Lets the catalog refuse every sign for a while."""

            later = False

            async def agree(self, plan, stats):
                change(here, lambda session: session.execute(text(RENAME.format("runs", "away"))))
                await asyncio.sleep(0.3)
                change(here, lambda session: session.execute(text(RENAME.format("away", "runs"))))
                before = last_sign()
                await asyncio.sleep(0.3)
                self.later = last_sign() > before
                return True

        runner = Faltering()
        await here.run(runner=runner)
        assert runner.later
        await here.check_all_done(accepted=1)


async def test_a_run_that_has_ended_is_shared_by_nobody(world):
    here = await world(films=1)
    ended = await here.run()

    with pytest.raises(HasEnded):
        shared_request(here.settings, ended.run_id, sources=())


async def test_workers_do_not_wait_for_what_none_of_them_waits_for_any_more(world, monkeypatch):
    monkeypatch.setattr(predict, "BATCH", 2)
    here = await world(films=9, latency_scale=100)
    here.change(wait_minutes=AT_ONCE)
    runner = Calling(here, others=1, everybody=asyncio.Barrier(2))
    async with asyncio.timeout(120):
        host = await here.run(runner=runner, workers=2, concurrency=9, check=False)
        (guest,) = await asyncio.gather(*runner.came)
    books = await here.check()

    assert books.statuses == {PredictionStatus.RUNNING: 9}
    assert host.stats.analyses.left_running + guest.stats.analyses.left_running >= 9
