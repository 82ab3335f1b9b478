import asyncio

import pytest

from flows.pipeline.ingest import SIDE_BY_SIDE, UNWRITTEN, Turns

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def begun(turns):
    """Begin batches until none may begin any more."""
    batches = []
    while True:
        try:
            async with asyncio.timeout(0.05):
                batches.append(await turns.next())
        except TimeoutError:
            return batches


async def test_few_batches_are_looked_at_at_once():
    assert len(await begun(Turns())) == SIDE_BY_SIDE


async def test_what_was_looked_at_makes_room_though_it_is_not_written():
    turns = Turns()
    first, *_ = await begun(turns)
    first.looked_at.close()
    assert len(await begun(turns)) == 1


async def test_what_is_not_written_does_not_pile_up():
    turns, unwritten = Turns(), []
    while batches := await begun(turns):
        unwritten += batches
        for batch in batches:
            batch.looked_at.close()
    assert len(unwritten) == UNWRITTEN
    unwritten[0].written.close()
    assert len(await begun(turns)) == 1


async def test_a_batch_that_ends_in_whatever_way_gives_back_all_its_room():
    turns = Turns()
    for _ in range(3):
        for batch in await begun(turns):
            batch.looked_at.close()
            batch.written.close()
            batch.written.close()
    assert len(await begun(turns)) == SIDE_BY_SIDE
