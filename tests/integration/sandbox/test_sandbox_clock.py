"""The sandbox's own clock: every time that it tells is told by it, the date of answers too."""

from __future__ import annotations

from datetime import timedelta
from email.utils import parsedate_to_datetime

import httpx
import pytest
from sandbox_client import START, VIDEO, open_desk, options

from catalog.values import utc_now
from tasks.sandbox.faults import Fault
from tasks.sandbox.server import running_sandbox

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)
AT_TURN = f"{START - HOUR:%Y-%m-%dT%H:%M:%S}Z"


def date_of(answer):
    [date] = answer.headers.get_list("date")
    return parsedate_to_datetime(date)


async def test_every_answer_is_dated_also_a_refusal_and_a_strangers():
    async with open_desk(options()) as desk:
        id_ = await desk.accepted()
        for answer in (
            await desk.poll(id_),
            await desk.poll("nobody's"),
            await desk.submit(VIDEO, model="no/model"),
            await desk.list(),
            await desk.client.get("/no/such/address"),
            await desk.client.get("/audit"),
        ):
            assert date_of(answer) == START


@pytest.mark.parametrize("skew", [7200.0, -7200.0])
async def test_a_skewed_clock_shows_in_all_that_the_sandbox_tells(skew):
    async with open_desk(options(clock_skew_seconds=skew)) as desk:
        answer = await desk.submit()
        assert date_of(answer) == START + timedelta(seconds=skew)
        expected = f"{START + timedelta(seconds=skew):%Y-%m-%dT%H:%M:%S}"
        id_ = answer.json()["data"]["id"]
        assert answer.json()["data"]["created_at"].startswith(expected)
        [row] = await desk.listed(created_after=f"{expected}Z")
        assert row["created_at"].startswith(expected)
        [line] = await desk.bill(id_)
        assert line["created_at"].startswith(expected)


async def test_the_date_follows_the_clock_as_it_moves():
    async with open_desk(options(control=True)) as desk:
        desk.clock.advance(60)
        await desk.client.post("/control/clock", json={"advance_seconds": 3600})
        assert date_of(await desk.list()) == START + HOUR + timedelta(seconds=60)


async def test_retry_after_is_a_date_of_the_same_clock():
    async with open_desk(options(Fault.SUBMIT_429_DATE, clock_skew_seconds=7200)) as desk:
        answer = await desk.submit()
        retry_after = parsedate_to_datetime(answer.headers["retry-after"])
        assert retry_after - date_of(answer) == timedelta(seconds=1)


async def test_on_a_port_there_is_one_date_and_it_is_the_sandboxes():
    async with (
        running_sandbox(options(clock_skew_seconds=-7200)) as sandbox,
        httpx.AsyncClient(base_url=sandbox.base_url, trust_env=False) as client,
    ):
        behind = utc_now() - date_of(await client.get("/audit"))
        assert HOUR < behind < 3 * HOUR


async def test_a_clock_that_is_turned_back_lets_no_time_pass_and_dates_what_comes_after():
    async with open_desk(options(control=True, latency_scale=1.0, latency_sigma=0.0)) as desk:
        before = await desk.accepted()
        await desk.client.post("/control/clock", json={"turn_seconds": -7200})
        answer = await desk.submit()
        after = answer.json()["data"]["id"]
        assert date_of(answer) == START - 2 * HOUR
        assert answer.json()["data"]["created_at"] < START.isoformat()
        assert [row["id"] for row in await desk.listed()] == [before, after]
        assert [row["id"] for row in await desk.listed(created_before=AT_TURN)] == [after]
        assert [line["prediction"]["uuid"] for line in await desk.bill()] == [before, after]
        desk.clock.advance(17)
        assert (await desk.polled(before))["status"] == "completed"


async def test_a_clock_that_is_turned_ahead_ends_nothing_early():
    async with open_desk(options(control=True, latency_scale=1.0, latency_sigma=0.0)) as desk:
        id_ = await desk.accepted()
        await desk.client.post("/control/clock", json={"turn_seconds": 7200})
        assert (await desk.polled(id_))["status"] != "completed"
        desk.clock.advance(17)
        assert (await desk.polled(id_))["status"] == "completed"
