import asyncio

import pytest
from virtual_time import in_no_time

from tasks.wavespeed.connection import Bandwidth

BLOCK = 512 * 1024


async def seconds_for(bandwidth, uploads, blocks):
    """How long so many uploads take side by side, each of so many blocks."""
    began = asyncio.get_running_loop().time()

    async def one():
        for _ in range(blocks):
            await bandwidth.take(BLOCK)

    async with asyncio.TaskGroup() as group:
        for _ in range(uploads):
            group.create_task(one())
    return asyncio.get_running_loop().time() - began


@pytest.mark.parametrize("bytes_per_second", [10_000, 1_000_000, 50_000_000])
def test_uploads_together_take_no_more_than_they_may(bytes_per_second):
    async def upload():
        return await seconds_for(Bandwidth(bytes_per_second), uploads=4, blocks=200)

    least = 4 * 200 * BLOCK / bytes_per_second
    assert in_no_time(upload()) == pytest.approx(least, rel=0.02, abs=1.1)


def test_without_a_number_nothing_waits():
    async def upload():
        return await seconds_for(Bandwidth(None), uploads=4, blocks=200)

    assert in_no_time(upload()) < 0.1
