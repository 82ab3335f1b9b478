"""A catalog that moves to the other database while money is out."""

from __future__ import annotations

import asyncio
import json

import pytest
from catalogs import DIALECTS
from money_processes import KILLED, Order, forking
from money_world import PRICE

from catalog.values import PredictionStatus
from flows.pipeline.runner import LocalRunner, Step
from tasks.sandbox.faults import Fault

pytestmark = pytest.mark.anyio

FILMS = 6


@pytest.fixture
def elsewhere(request, shelf):
    """Where nothing is yet, on the database that the world does not begin with."""
    (dialect,) = set(DIALECTS) - {request.node.callspec.params["shelf"]}
    other = request.getfixturevalue(f"{dialect}_shelf")
    url = other.empty()
    yield url
    other.drop(url)


async def test_what_was_out_when_a_catalog_moved_is_collected_by_the_copy_and_paid_once(
    world, elsewhere
):
    here = await world(Fault.SUBMIT_LOST_RESET, films=FILMS)
    with forking() as forks:
        order = Order(
            folder=str(here.folder),
            catalog_url=here.catalog_url,
            base_url=here.sandbox.base_url,
            api_key=here.sandbox.api_key,
            point="complete: before commit",
        )
        assert await asyncio.to_thread(forks, order) == KILLED
    before = await here.check()
    assert before.statuses[PredictionStatus.RUNNING] > 0

    told = await here.reelcat("db", "copy", here.catalog_url, elsewhere, "--json")

    assert (told.code, told.err) == (0, "")
    copied = json.loads(told.out)
    assert copied["money"]["held_usd"] == f"{before.totals.held / 1_000_000:.2f}"
    assert copied["unfinished"] > 0
    assert {one["table"]: one["rows"] for one in copied["tables"]}["videos"] == FILMS
    here.catalog_url = elsewhere
    here.change(database_url=elsewhere)
    after = await here.check()
    assert (after.totals, after.analyses) == (before.totals, before.analyses)

    await here.run()
    await here.run()

    books = await here.check_all_done(accepted=FILMS, charged=FILMS * PRICE)
    assert books.audit["duplicates"] == 0


async def test_a_copy_is_refused_while_a_run_is_at_work(world, elsewhere):
    here = await world(films=1)

    class Watching(LocalRunner):
        said = None

        async def batch(self, step, label, work):
            if step is Step.PREDICT and self.said is None:
                self.said = await here.reelcat("db", "copy", here.catalog_url, elsewhere)
            return await work()

    runner = Watching()
    await here.run(runner=runner)
    assert (runner.said.code, runner.said.out) == (2, "")
    assert "is at work on" in runner.said.err
    assert "stop it or wait for its end, then copy." in runner.said.err
    done = await here.reelcat("db", "copy", here.catalog_url, elsewhere)
    assert done.code == 0
    assert "Set REELCAT_DATABASE_URL to the copy now" in done.out
