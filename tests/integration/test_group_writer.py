import asyncio

import pytest
from sqlalchemy import event, select

from catalog.errors import CatalogReadOnly
from catalog.models import Budget
from tasks.runtime.writer import GroupWriter

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
async def writer(catalog):
    writer = GroupWriter(catalog)
    yield writer
    await writer.close()


def scopes_in(catalog):
    with catalog.read() as session:
        return set(session.scalars(select(Budget.scope)))


class Opening:
    """Opens budgets, and remembers how many at once."""

    def __init__(self):
        self.groups = []

    def __call__(self, session, scopes):
        self.groups.append(len(scopes))
        for scope in scopes:
            if not scope:
                raise ValueError("a scope without a name")
            session.add(Budget(scope=scope, limit_micros=None, committed_micros=0))
        session.flush()
        return [f"opened {scope}" for scope in scopes]


async def test_items_that_wait_for_the_same_change_are_written_at_once(catalog, writer):
    opening, names = Opening(), [f"run:{number}" for number in range(50)]
    answers = await asyncio.gather(*(writer.add_all(opening, [name]) for name in names))
    assert answers == [[f"opened {name}"] for name in names]
    assert scopes_in(catalog) == set(names)
    assert opening.groups == [50]


async def test_an_item_that_cannot_be_written_undoes_only_itself(catalog, writer):
    opening = Opening()
    answers = await asyncio.gather(
        *(writer.add_all(opening, [name]) for name in ("run:1", "", "run:2")),
        return_exceptions=True,
    )
    assert answers[0] == ["opened run:1"]
    assert isinstance(answers[1], ValueError)
    assert answers[2] == ["opened run:2"]
    assert scopes_in(catalog) == {"run:1", "run:2"}


async def test_several_items_of_one_caller_are_answered_in_their_order(catalog, writer):
    opening = Opening()
    first, second = [f"run:{number}" for number in range(30)], ["day:1", "day:2"]
    answers = await asyncio.gather(
        writer.add_all(opening, first), writer.add_all(opening, second), writer.add_all(opening, [])
    )
    assert answers == [[f"opened {name}" for name in names] for names in (first, second, [])]
    assert opening.groups == [32]
    assert scopes_in(catalog) == {*first, *second}


async def test_one_of_several_items_that_cannot_be_written_undoes_only_itself(catalog, writer):
    opening = Opening()
    answers = await asyncio.gather(
        writer.add_all(opening, ["run:1", "", "run:4"]),
        writer.add_all(opening, ["run:2", "run:3"]),
        return_exceptions=True,
    )
    assert isinstance(answers[0], ValueError)
    assert answers[1] == ["opened run:2", "opened run:3"]
    assert scopes_in(catalog) == {"run:1", "run:2", "run:3", "run:4"}


async def test_items_that_fail_together_and_not_alone_are_written_and_answered(catalog, writer):
    opening = Opening()

    def one_at_a_time(session, scopes):
        if len(scopes) > 1:
            raise ValueError("too many")
        return opening(session, scopes)

    assert await writer.add_all(one_at_a_time, ["day:1", "day:2"]) == [
        "opened day:1",
        "opened day:2",
    ]
    assert scopes_in(catalog) == {"day:1", "day:2"}


async def test_a_transaction_is_no_longer_for_callers_that_bring_several(catalog, writer):
    opening = Opening()
    names = [f"run:{number}" for number in range(500)]
    await asyncio.gather(
        *(writer.add_all(opening, names[first : first + 10]) for first in range(0, 500, 10)),
        writer.add_all(opening, [f"day:{number}" for number in range(300)]),  # one's own, at once
    )
    assert opening.groups == [200, 200, 100, 300]
    assert len(scopes_in(catalog)) == 800


async def test_all_learn_at_once_that_the_catalog_cannot_be_written(catalog, writer):
    read_only = {
        "sqlite": "PRAGMA query_only = ON",
        "postgresql": "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    }[catalog.dialect]
    catalog.close()
    event.listen(catalog.engine, "connect", lambda opened, _: opened.execute(read_only))
    if catalog.dialect == "postgresql":
        event.listen(catalog.engine, "connect", lambda opened, _: opened.commit())
    opening = Opening()
    answers = await asyncio.gather(
        *(writer.add_all(opening, [f"run:{number}"]) for number in range(9)), return_exceptions=True
    )
    assert {type(answer) for answer in answers} == {CatalogReadOnly}
    assert opening.groups == [9]
