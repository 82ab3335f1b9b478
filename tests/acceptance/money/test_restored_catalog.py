"""A catalog that was put back from a backup has forgotten what it bought; the provider has not."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from money_world import HOUR, PRICE, SECONDS, always, make_films, once, open_world
from sqlalchemy import select

from catalog.errors import ProviderUnreadable
from catalog.models import Prediction, Run
from catalog.schema import open_catalog
from catalog.values import PredictionStatus
from tasks.sandbox.faults import Fault, Scripted
from tasks.wavespeed.client import DEFAULT_MODEL

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path):
    return tmp_path / "reelcat.db"


@pytest.fixture
async def world(tmp_path, path):
    open_catalog(f"sqlite:///{path}").close()
    async with open_world(tmp_path / "films", f"sqlite:///{path}", films=3) as opened:
        yield opened


def save(path: Path) -> Path:
    copy = path.with_suffix(".backup")
    with closing(sqlite3.connect(path)) as from_, closing(sqlite3.connect(copy)) as to:
        from_.backup(to)
    return copy


def put_back(copy: Path, path: Path) -> None:
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    path.write_bytes(copy.read_bytes())


def as_held(copy: Path) -> None:
    """Make it what it was before anything was sent: its run seems to live, on another machine."""
    with closing(sqlite3.connect(copy)) as backup:
        backup.execute(
            "UPDATE predictions SET status = 'held', provider_id = NULL, submitted_at = NULL,"
            " uncertain_at = NULL, completed_at = NULL, expires_at = NULL, settled_at = NULL,"
            " charged_micros = NULL"
        )
        backup.execute("UPDATE analyses SET status = 'pending', text = NULL, raw = NULL")
        backup.execute("UPDATE runs SET finished_at = NULL, outcome = NULL, pid = 1, host = 'gone'")
        backup.execute("UPDATE runs SET heartbeat_at = '2020-01-01 00:00:00.000000'")
        backup.execute("DELETE FROM ledger_entries WHERE kind <> 'hold'")
        backup.commit()


@pytest.mark.parametrize("procedure", [True, False], ids=["as documented", "straight away"])
async def test_what_was_bought_after_the_backup_is_collected_and_not_bought_again(
    world, path, procedure
):
    copy = save(path)
    assert (await world.run()).exit_code == 0
    put_back(copy, path)
    if procedure:
        ended = await world.reelcat("reconcile", "--after-restore", "--json")
        assert ended.code == 0, ended.err
        assert "3 more are of videos or questions" in json.loads(ended.out)["notices"][0]
    report = await world.run()
    assert report.exit_code == 0
    assert report.stats.analyses.submitted == 0
    await world.check_all_done(accepted=3, charged=3 * PRICE)


async def test_a_catalog_that_was_saved_in_mid_run_takes_over_what_it_calls_held(world, path):
    """The backup holds what had not been sent then: its holds, and a run that seems to live."""
    await world.strike(Fault.SUBMIT_LOST_RESET)
    assert (await world.run()).exit_code == 0
    copy = save(path)
    as_held(copy)
    put_back(copy, path)
    report = await world.run()
    assert (report.exit_code, report.stats.analyses.submitted) == (0, 0)
    await world.check_all_done(accepted=3, charged=3 * PRICE)


async def test_an_empty_catalog_adopts_what_another_one_bought_of_the_same_films(world, path):
    assert (await world.run()).exit_code == 0
    for file in path.parent.glob("reelcat.db*"):
        file.unlink()
    films = world.folder
    for film in films.iterdir():
        film.unlink()
    films.rmdir()
    open_catalog(world.catalog_url).close()
    make_films(films, world.catalog_url, count=3, seconds=SECONDS, now=world.clock())
    report = await world.run()
    assert (report.exit_code, report.stats.analyses.submitted) == (0, 0)
    await world.check_all_done(accepted=3, charged=3 * PRICE)
    commands = world.read(lambda session: list(session.scalars(select(Run.command))))
    assert "adopt" in commands


async def test_holds_of_a_dead_run_stay_while_the_list_cannot_be_read(world, path):
    assert (await world.run(limit=1)).exit_code == 0
    with closing(sqlite3.connect(path)) as catalog:
        catalog.execute("UPDATE predictions SET status = 'held', provider_id = NULL")
        catalog.execute("UPDATE analyses SET status = 'pending' WHERE status = 'completed'")
        catalog.execute(
            "UPDATE runs SET finished_at = NULL, outcome = NULL, pid = 1, host = 'gone'"
        )
        catalog.execute("UPDATE runs SET heartbeat_at = '2020-01-01 00:00:00.000000'")
        catalog.commit()
    await world.strike(always(Fault.LIST_429))
    report = await world.run(check=False)
    assert report.exit_code == 1
    assert any("stays held" in one.reason for one in report.stats.failures)
    statuses = world.read(lambda session: list(session.scalars(select(Prediction.status))))
    assert PredictionStatus.HELD in statuses
    assert len(await world.sandbox.predictions()) == 3


async def test_the_holds_of_a_dead_run_are_searched_for_behind_everything_that_is_newer(
    world, path
):
    """The newest page of the list is full of strangers' predictions."""
    assert (await world.run()).exit_code == 0
    copy = save(path)
    as_held(copy)
    put_back(copy, path)
    headers = {"Authorization": f"Bearer {world.sandbox.api_key}"}
    async with httpx.AsyncClient(base_url=world.sandbox.base_url, headers=headers) as client:
        for number in range(101):
            body = {"video": f"https://films.example/{number}.mp4", "task": "summary"}
            answer = await client.post(f"/api/v3/{DEFAULT_MODEL}", json=body)
            assert answer.status_code == 200
    report = await world.run(check=False)
    assert (report.exit_code, report.stats.analyses.submitted) == (0, 0)
    assert len(await world.sandbox.predictions()) == 3 + 101


async def test_what_is_claimed_while_a_run_holds_it_is_not_sent(tmp_path, path):
    """One after the other: the first is bought again, then the others come to light."""
    open_catalog(f"sqlite:///{path}").close()
    films = open_world(tmp_path / "films", f"sqlite:///{path}", films=3, latency_scale=0.05)
    async with films as world:
        copy = save(path)
        await world.run()
        put_back(copy, path)
        # The run's own look at the list fails, and its first prediction keeps the only place.
        await world.strike(always(Fault.LIST_500), always(Fault.TASK_SLOW))
        running = asyncio.create_task(world.run(check=False, concurrency=1))
        async with asyncio.timeout(120):
            while len(await world.sandbox.predictions()) < 4:  # noqa: ASYNC110 - another process's
                await asyncio.sleep(0.02)
        await world.strike()
        await world.reconcile(check=False, after_restore=True)
        await running
        assert len(await world.sandbox.predictions()) == 4


@pytest.mark.parametrize("fault", [Fault.LIST_EMPTY, Fault.LIST_ONLY_STRANGERS])
async def test_a_list_that_lacks_what_was_accepted_ends_the_procedure_as_a_failure(
    world, path, fault
):
    await world.run(limit=1)
    copy = save(path)
    world.clock.advance(HOUR)
    await world.run()
    put_back(copy, path)
    await world.strike(always(fault))
    report = await world.reconcile(check=False, after_restore=True)
    assert report.exit_code == 1
    assert any("buy nothing" in one.reason for one in report.stats.failures)


async def test_nothing_is_bought_while_a_list_shows_ours_and_cannot_be_read_on(world, path):
    copy = save(path)
    await world.run()
    put_back(copy, path)
    await world.strike(Scripted(fault=Fault.LIST_500, first=2, times=None))
    with pytest.raises(ProviderUnreadable, match="nothing is bought"):
        await world.run(check=False)
    assert len(await world.sandbox.predictions()) == 3


async def test_a_submission_that_an_earlier_run_lost_is_named_until_it_is_known(world):
    await world.strike(once(Fault.SUBMIT_LOST_RESET, first=3), always(Fault.LIST_500))
    await world.run(concurrency=1)
    report = await world.run()
    assert report.exit_code == 1
    assert [one.kind for one in report.stats.failures] == ["uncertain"]
