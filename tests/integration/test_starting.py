"""Starting keeps to the account's pace, however long it takes to write intents down."""

import asyncio
from contextlib import closing
from datetime import timedelta

from catalog_rows import (
    ENDPOINT,
    NO_LIMITS,
    NOW,
    jobs,
    purchase,
    start_run,
    tokens,
    wanted_analyses,
)
from pydantic import SecretStr
from virtual_time import in_no_time

from catalog import holding
from catalog.database import connect
from catalog.pricing import MOLMO2_PRICES
from tasks.runtime.services import Provider, Services
from tasks.runtime.starter import Starter
from tasks.runtime.writer import GroupWriter
from tasks.wavespeed.client import WaveSpeed
from tasks.wavespeed.pacing import StartPacer

#: Enough for several to be let pass while one transaction is written.
A_MINUTE = 600


def held(catalog, count):
    """Set money aside for so many; gives their predictions."""
    analyses = wanted_analyses(catalog, count)
    start_run(catalog, "run", None)
    result = catalog.write(
        lambda session: holding.hold(
            session, jobs(analyses), purchase("run"), now=NOW, unique=tokens()
        )
    )
    return [one.prediction_id for one in result.held]


def services_of(catalog, writer):
    provider = Provider(
        client=WaveSpeed(api_key=SecretStr("wsk_starting"), now=lambda: NOW),
        endpoint=ENDPOINT,
        prices=MOLMO2_PRICES,
        limits=NO_LIMITS,
        offline=False,
        exclusive=True,
        poll_gap=timedelta(seconds=1),
        settle_delay=timedelta(0),
        patience=timedelta(hours=1),
        drift_tolerance=0,
        link_lasts=timedelta(hours=1),
    )
    return Services(
        catalog=catalog,
        writer=writer,
        stores=None,
        pool=None,
        provider=provider,
        clock=lambda: NOW,
        new_token=tokens(),
    )


async def start_all(catalog, predictions):
    """Start all of them at once; gives when each of them did."""
    loop, passed = asyncio.get_running_loop(), []
    writer = GroupWriter(catalog)
    starter = Starter(services=services_of(catalog, writer), pacer=StartPacer(A_MINUTE))

    async def one(prediction_id):
        assert await starter.start(prediction_id)
        passed.append(loop.time())

    async with asyncio.TaskGroup() as group:
        for prediction_id in predictions:
            group.create_task(one(prediction_id))
    await writer.close()
    return passed


def test_what_the_pacer_let_pass_is_used_once_while_intents_are_written(sqlite_shelf):
    with closing(connect(sqlite_shelf.made())) as catalog:
        passed = in_no_time(start_all(catalog, held(catalog, 2 * A_MINUTE)))
    in_a_minute = max(sum(1 for other in passed if first <= other < first + 60) for first in passed)
    assert in_a_minute <= A_MINUTE
