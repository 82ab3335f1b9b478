"""Worlds in which money can go wrong, on both databases; see tests/support/money_world.py."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from money_world import open_world


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Call a fault of the provider slow on the second database: the SQL is the same for all."""
    for item in items:
        if item.path.parent == Path(__file__).parent and item.path.name.startswith("test_faults"):
            shelf = item.callspec.params.get("shelf") if hasattr(item, "callspec") else None
            if shelf == "postgresql":
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
