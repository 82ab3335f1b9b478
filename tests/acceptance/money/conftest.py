"""Worlds in which money can go wrong, on both databases; see tests/support/money_world.py."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from money_world import open_world

#: Runs that wait for each other's locks and see each other's rows.
MEETINGS = {"test_sharing", "test_together"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Call whole runs slow on the second database, but for those that meet each other in it."""
    for item in items:
        here = item.path.parent == Path(__file__).parent and item.path.stem not in MEETINGS
        if here and hasattr(item, "callspec") and "postgresql" in item.callspec.params.values():
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def world(tmp_path, shelf):
    """Opens worlds: `await world(Fault.SUBMIT_402, films=2)`."""
    urls = []
    async with AsyncExitStack() as stack:

        async def opened(*script, **changes):
            url = shelf.made()
            urls.append(url)
            folder = tmp_path / f"films-{len(urls)}"
            return await stack.enter_async_context(open_world(folder, url, *script, **changes))

        yield opened
    for url in urls:
        shelf.drop(url)
