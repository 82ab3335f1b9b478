"""Worlds in which money can go wrong, on both databases; see tests/support/money_world.py."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from money_world import open_world

#: Runs that wait for each other's locks and see each other's rows.
MEETINGS = {"test_sharing", "test_together"}
#: Kills that the second database need not meet every time: all but those at the commits on which
#: money hangs.
ON_ONE_DATABASE = re.compile(
    r" request\]|-(?!(hold|intend|accept|complete|settle):)\w+: (before|after) commit\]"
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Choose what is met on the second database, and call what need not be met every time slow.

    What a run writes is the same whichever fault it met. So the second database meets one fault of
    each kind, and of each kind the first is enough to be told soon that something is wrong. All the
    others are called `matrix`: `make test-all` meets them.
    """
    met = set()
    for item in items:
        if item.path.parent != Path(__file__).parent or item.path.stem in MEETINGS:
            continue
        second = _is_on_the_second_database(item)
        kind = (second, item.nodeid.partition("[")[0])
        is_first = kind not in met
        met.add(kind)
        is_of_a_fault = item.path.stem.startswith("test_faults")
        if second and ((is_of_a_fault and not is_first) or ON_ONE_DATABASE.search(item.nodeid)):
            item.add_marker(pytest.mark.matrix)
        elif second or (is_of_a_fault and not is_first):
            item.add_marker(pytest.mark.slow)


def _is_on_the_second_database(item: pytest.Item) -> bool:
    return hasattr(item, "callspec") and "postgresql" in item.callspec.params.values()


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
