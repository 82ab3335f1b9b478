"""A limit that is lowered while runs buy: nothing more is sent that it does not cover."""

from __future__ import annotations

import asyncio
from contextlib import closing
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from money_world import PRICE, set_budget

from catalog import budgets
from catalog.budget_limits import DAY, scopes_at
from catalog.database import connect
from catalog.models import Run
from catalog.values import PredictionStatus, RunStatus, utc_now

pytestmark = pytest.mark.anyio

FILMS = 16
IN_FLIGHT = 2
#: Where no day ends while this runs.
ZONE = f"Etc/GMT{utc_now().hour - 12:+d}"
#: What is out ends only as the clock is put ahead.
SLOW = {
    "latency_scale": 1.0,
    "latency_mean_seconds": 40.0,
    "latency_sigma": 0.0,
    "settings": {"timezone": ZONE, "wait_minutes": 60},
}


async def accepted(world):
    return (await world.sandbox.audit())["accepted"]


async def flow(world):
    """Let time pass, so that what is out ends and more is started.

    Not so fast that an intent grows old before its request is sent.
    """
    while True:
        world.clock.advance(timedelta(seconds=4))
        await asyncio.sleep(0.05)


async def braked(world, *runs, change):
    """Change a limit once some were accepted; gives the reports, and how many came later."""
    running = [asyncio.create_task(run) for run in runs]
    async with asyncio.timeout(120):
        while await accepted(world) < 4:
            world.clock.advance(timedelta(seconds=20))
            await asyncio.sleep(0.05)
        seen = 0
        while seen < (seen := await accepted(world)):  # noqa: ASYNC110 - until the account is full
            await asyncio.sleep(1)
    await change()
    before = await accepted(world)
    flowing = asyncio.create_task(flow(world))
    reports = await asyncio.gather(*running)
    flowing.cancel()
    return reports, await accepted(world) - before


def a_run(world, numbers=range(FILMS), **options):
    names = tuple(f"film-{number:03}.mp4" for number in numbers)
    return world.run(concurrency=IN_FLIGHT, include=names, check=False, **options)


def call(world, *arguments):
    async def change():
        ended = await world.reelcat("budget", *arguments, REELCAT_TIMEZONE=ZONE)
        assert ended.code == 0

    return change


def write(world, change):
    async def written():
        with closing(connect(world.catalog_url)) as catalog:
            catalog.write(change)

    return written


def lower_today(world, limit):
    today = scopes_at(world.clock(), run_id="", zone=ZoneInfo(ZONE)).day
    return write(world, lambda session: budgets.set_standing_limit(session, DAY, today, limit))


async def check(world):
    """Hold the books together; only that a limit is below what was spent is what was asked for."""
    books = await world.books()
    assert [one for one in books.problems if "committed of" not in one] == []
    assert PredictionStatus.HELD not in books.statuses
    assert books.audit["unread"] == 0
    assert books.totals.held == 0
    assert books.totals.charged == books.audit["billed_micros"]
    return books


@pytest.mark.parametrize("scope", ["--day", "--month"])
async def test_a_limit_that_is_lowered_in_a_hurry_stops_what_was_not_sent(world, scope):
    here = await world(films=FILMS, **SLOW)
    (report,), later = await braked(here, a_run(here), change=call(here, scope, "0.005"))
    assert (report.status, report.exit_code) == (RunStatus.BUDGET_REACHED, 0)
    assert later == 0
    books = await check(here)
    assert report.stats.analyses.over_budget == FILMS - books.audit["accepted"]
    await call(here, scope, "5")()
    flowing = asyncio.create_task(flow(here))
    for _ in range(3):  # on a busy machine some intents grow old all the same
        await here.run()
    flowing.cancel()
    await here.check_all_done(accepted=FILMS, charged=FILMS * PRICE)


async def test_the_limit_of_the_run_itself_is_looked_at_again(world):
    here = await world(films=FILMS, **SLOW)

    def lower(session):
        budgets.set_limit(session, [f"run:{run.id}" for run in session.query(Run)], 0)

    (report,), later = await braked(here, a_run(here), change=write(here, lower))
    assert (report.status, later) == (RunStatus.BUDGET_REACHED, 0)
    await check(here)


@pytest.mark.parametrize("more", [0, 3])
async def test_what_still_fits_a_lowered_limit_is_bought_and_no_more(world, more):
    here = await world(films=FILMS, **SLOW)

    async def change():
        await lower_today(here, (await accepted(here) + more) * PRICE)()

    (report,), later = await braked(here, a_run(here), change=change)
    assert (report.status, report.exit_code) == (RunStatus.BUDGET_REACHED, 0)
    assert later == more
    await here.check()
    await check(here)


async def test_a_limit_that_is_lowered_stops_every_worker(world):
    here = await world(films=FILMS, **SLOW)
    set_budget(here, day=FILMS * PRICE)
    halves = range(FILMS // 2), range(FILMS // 2, FILMS)
    reports, later = await braked(
        here,
        *(a_run(here, numbers, budget=None) for numbers in halves),
        change=lower_today(here, PRICE),
    )
    assert [one.status for one in reports] == [RunStatus.BUDGET_REACHED] * 2
    assert later == 0
    await check(here)


async def test_a_lower_limit_holds_for_what_was_held_before_midnight(world):
    here = await world(films=FILMS, **SLOW)
    tomorrow = datetime.now(UTC) + timedelta(days=2)

    def lower(session):
        budgets.set_standing_limit(session, DAY, f"day:{tomorrow:%Y-%m-%d}", PRICE)

    _, later = await braked(here, a_run(here), change=write(here, lower))
    assert later == 0
    await check(here)
