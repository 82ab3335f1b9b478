"""Files that cannot be reached for a night: named, left alone, and bought by the next run."""

from __future__ import annotations

import os

import pytest
from money_world import PRICE

from catalog.values import AnalysisStatus, RunStatus
from flows.pipeline.runner import LocalRunner
from tasks.sandbox.faults import Fault

pytestmark = pytest.mark.anyio


def lose(path):
    path.rename(path.with_suffix(".away"))


def loop(path):
    lose(path)
    path.symlink_to(path)


def replace(path):
    lose(path)
    path.write_bytes(b"something else for now")


def lose_folder(path):
    path.parent.rename(path.parent.with_suffix(".away"))


def restore(path):
    folder = path.parent.with_suffix(".away")
    if folder.exists():
        folder.rename(path.parent)
        return
    path.unlink(missing_ok=True)
    path.with_suffix(".away").rename(path)


class Meddler(LocalRunner):
    """Something happens to a file after everything was planned."""

    def __init__(self, damage, path):
        super().__init__()
        self._damage, self._path = damage, path

    async def agree(self, plan, stats):
        self._damage(self._path)
        return True


@pytest.mark.parametrize("damage", [lose, loop, replace, lose_folder])
async def test_a_file_that_cannot_be_reached_for_a_night_is_bought_by_the_next(world, damage):
    here = await world(films=1)
    (path,) = here.folder.glob("*.mp4")
    report = await here.run(runner=Meddler(damage, path))
    assert (report.status, report.exit_code) == (RunStatus.COMPLETED_WITH_FAILURES, 1)
    (failure,) = report.stats.failures
    assert failure.what == path.as_uri()
    books = await here.books()
    assert books.audit["accepted"] == 0
    assert books.analyses == {AnalysisStatus.WANTED: 1}
    restore(path)
    assert (await here.run()).status is RunStatus.COMPLETED
    await here.check_all_done(accepted=1, charged=PRICE)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
async def test_a_file_that_may_not_be_read_for_a_night_is_bought_by_the_next(world):
    here = await world(films=2)
    path = min(here.folder.glob("*.mp4"))
    report = await here.run(runner=Meddler(lambda one: one.chmod(0), path))
    assert report.exit_code == 1
    path.chmod(0o600)
    assert (await here.run()).status is RunStatus.COMPLETED
    await here.check_all_done(accepted=2, charged=2 * PRICE)


async def test_storage_that_does_not_take_a_file_tonight_takes_it_tomorrow(world):
    here = await world(Fault.PUT_403, films=2)
    await here.run()
    assert AnalysisStatus.FAILED not in (await here.books()).analyses
    await here.run()
    await here.check_all_done(accepted=2, charged=2 * PRICE)
