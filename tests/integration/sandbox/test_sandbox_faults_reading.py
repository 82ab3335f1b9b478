"""Every fault of polls, history, bill, balance and quotes does what its sentence says."""

from __future__ import annotations

import json

import httpx
import pytest
from sandbox_client import VIDEO, open_desk, options

from catalog.pricing import MOLMO2
from tasks.sandbox.faults import Fault, Stage

pytestmark = pytest.mark.anyio


def unreadable(answer):
    try:
        answer.json()
    except json.JSONDecodeError:
        return True
    return False


async def billed_in_micros(desk):
    id_ = await desk.accepted()
    assert [row["price"] for row in await desk.bill(id_)] == [10_000]
    assert [row["price"] for row in await desk.bill(id_)] == [0.01]


def billed_as(*rows):
    """The first answer shows these kinds and prices; the second one what is right."""

    async def check(desk):
        id_ = await desk.accepted()
        shown = [(row["billing_type"], row["price"]) for row in await desk.bill(id_)]
        assert shown == list(rows)
        assert [row["price"] for row in await desk.bill(id_)] == [0.01]

    return check


async def billed_to_nobody(desk):
    [row] = await desk.bill(await desk.accepted())
    assert row["prediction"]["uuid"] is None


async def page_of(desk, path, page):
    answer = await desk.client.post(path, json={"page": page, "page_size": 100})
    return answer.json()["data"]


def small_pages(path):
    async def check(desk):
        for _ in range(3):
            await desk.accepted()
        data = await page_of(desk, path, 1)
        assert (data.keys(), len(data["items"])) == ({"page", "items"}, 2)
        assert len((await page_of(desk, path, 1))["items"]) == 3

    return check


def short(path):
    async def check(desk):
        for _ in range(3):
            await desk.accepted()
        data = await page_of(desk, path, 1)
        assert (data["total"], len(data["items"])) == (3, 2)
        assert len((await page_of(desk, path, 1))["items"]) == 3

    return check


BILL, LIST = "/api/v3/billings/search", "/api/v3/predictions"


async def billing_without_rows(desk):
    id_ = await desk.accepted()
    assert await desk.bill(id_) == []
    assert len(await desk.bill(id_)) == 1


def answers_to(method, path, body, status):
    async def check(desk):
        answer = await desk.client.request(method, path, json=body)
        assert answer.status_code == status
        assert answer.json()["code"] == status
        assert (await desk.client.request(method, path, json=body)).status_code == 200

    return check


def billing(status):
    return answers_to("POST", "/api/v3/billings/search", {"page": 1, "page_size": 5}, status)


def balance(status):
    return answers_to("GET", "/api/v3/balance", None, status)


PRICE = {"model_id": "wavespeed-ai/molmo2/video-understanding", "inputs": {"video": VIDEO}}


def price(status):
    return answers_to("POST", "/api/v3/model/price", PRICE, status)


async def quoted_twice_as_high(desk):
    answer = await desk.client.post("/api/v3/model/price", json=PRICE)
    assert answer.json()["data"]["price"] == 0.02


def poll_answers(status=200, error=None, words="", says=None):
    async def check(desk):
        id_ = await desk.accepted()
        if error is not None:
            with pytest.raises(error):
                await desk.poll(id_)
        else:
            answer = await desk.poll(id_)
            assert answer.status_code == status
            assert words in answer.text
            if says is not None:
                assert says(answer)
        assert (await desk.audit())["unread"] == 1
        assert (await desk.polled(id_))["status"] == "completed"
        assert (await desk.audit())["unread"] == 0

    return check


async def poll_again_after_seconds(desk):
    id_ = await desk.accepted()
    answer = await desk.poll(id_)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")


async def slow_but_whole(desk):
    assert (await desk.polled(await desk.accepted()))["status"] == "completed"
    assert (await desk.audit())["unread"] == 0


async def no_inputs(desk):
    await desk.accepted()
    [row] = await desk.listed(include_inputs=True)
    assert not {"inputs", "input"} & row.keys()


async def input_singular(desk):
    await desk.accepted()
    [row] = await desk.listed(include_inputs=True)
    assert row["input"]["video"] == VIDEO
    assert "inputs" not in row


async def listed_late(desk):
    await desk.accepted()
    assert await desk.listed() == []
    assert len(await desk.listed()) == 1


async def listed_later(desk):
    await desk.accepted()
    desk.clock.advance(89)
    assert await desk.listed() == []
    assert len(await desk.listed()) == 1


async def nothing_listed(desk):
    await desk.accepted()
    assert await desk.listed() == []
    assert len(await desk.listed()) == 1


async def strangers_listed(desk):
    await desk.accepted()
    desk.app.state.sandbox.account.add_foreign(MOLMO2, desk.app.state.sandbox.now())
    [row] = await desk.listed(include_inputs=True)
    assert row["inputs"]["video"] != VIDEO
    assert len(await desk.listed()) == 2


async def short_page(desk):
    ids = [await desk.accepted() for _ in range(3)]
    assert [row["id"] for row in await desk.listed()] == [ids[2], ids[1]]
    assert len(await desk.listed()) == 3


async def short_bill(desk):
    ids = [await desk.accepted() for _ in range(3)]
    body = {"page": 1, "page_size": 100}
    told = (await desk.client.post("/api/v3/billings/search", json=body)).json()["data"]
    assert [line["prediction"]["uuid"] for line in told["items"]] == [ids[2], ids[1]]
    assert (told["total"], told["has_more"]) == (3, True)
    assert len(await desk.bill()) == 3


async def rows_shift(desk):
    ids = [await desk.accepted() for _ in range(4)]
    before = [ids[3], ids[2]]
    shifted = [row["id"] for row in await desk.listed(page_size=2)]
    assert shifted[1] == before[0]
    assert shifted[0] not in ids


async def duplicate_row(desk):
    ids = [await desk.accepted() for _ in range(4)]
    rows = await desk.listed(page=2, page_size=2)
    assert [row["id"] for row in rows] == [ids[2], ids[1], ids[0]]


async def list_data_null(desk):
    assert (await desk.list()).json()["data"] is None


def list_answers(status):
    return answers_to("POST", "/api/v3/predictions", {"page": 1, "page_size": 5}, status)


async def list_reset(desk):
    with pytest.raises(httpx.ReadError):
        await desk.list()


SEEN = {
    Fault.BILLING_MICROS: billed_in_micros,
    Fault.BILLING_EMPTY: billing_without_rows,
    Fault.BILLING_SHORT_PAGE: short_bill,
    Fault.BILLING_WORDS: billed_as(("deduct", "five cents")),
    Fault.BILLING_NAMELESS: billed_to_nobody,
    Fault.BILLING_SURCHARGE: billed_as(("deduct", 0.01), ("surcharge", 0.05)),
    Fault.BILLING_EXCESS: billed_as(("deduct", 0.01), ("refund", 1.0)),
    Fault.BILLING_SMALL_PAGES: small_pages(BILL),
    Fault.BILLING_SHORT: short(BILL),
    Fault.BILLING_429: billing(429),
    Fault.BILLING_500: billing(500),
    Fault.BALANCE_404: balance(404),
    Fault.BALANCE_500: balance(500),
    Fault.PRICE_404: price(404),
    Fault.PRICE_400: price(400),
    Fault.PRICE_DOUBLED: quoted_twice_as_high,
    Fault.POLL_429: poll_answers(429),
    Fault.POLL_429_SECONDS: poll_again_after_seconds,
    Fault.POLL_500: poll_answers(500),
    Fault.POLL_502: poll_answers(502, words="<html>"),
    Fault.POLL_503: poll_answers(503),
    Fault.POLL_504: poll_answers(504, words="<html>"),
    Fault.POLL_RESET: poll_answers(error=httpx.ReadError),
    Fault.POLL_STALL: poll_answers(error=httpx.ReadTimeout),
    Fault.POLL_SLOW_BODY: slow_but_whole,
    Fault.POLL_CUT_BODY: poll_answers(error=httpx.RemoteProtocolError),
    Fault.POLL_CUT_JSON: poll_answers(says=unreadable),
    Fault.POLL_TOO_LONG: poll_answers(says=lambda answer: len(answer.content) > 4 * 1024 * 1024),
    Fault.POLL_HTML: poll_answers(words="<html>", says=unreadable),
    Fault.POLL_EMPTY: poll_answers(says=unreadable),
    Fault.POLL_CODE_5003: poll_answers(says=lambda answer: answer.json()["code"] == 5003),
    Fault.POLL_DATA_NULL: poll_answers(says=lambda answer: answer.json()["data"] is None),
    Fault.POLL_404: poll_answers(404, words="Prediction not found"),
    Fault.POLL_UNKNOWN_STATUS: poll_answers(
        says=lambda answer: (
            answer.json()["data"]["status"] == "warming_up" and not answer.json()["data"]["outputs"]
        )
    ),
    Fault.POLL_SYNC_TIMEOUT: poll_answers(
        says=lambda answer: (
            (answer.json()["data"]["status"], answer.json()["data"]["code"]) == ("processing", 5004)
        )
    ),
    Fault.LIST_WITHOUT_INPUTS: no_inputs,
    Fault.LIST_INPUT_SINGULAR: input_singular,
    Fault.LIST_LAG: listed_late,
    Fault.LIST_LONG_LAG: listed_later,
    Fault.LIST_EMPTY: nothing_listed,
    Fault.LIST_ONLY_STRANGERS: strangers_listed,
    Fault.LIST_SHORT_PAGE: short_page,
    Fault.LIST_ROWS_SHIFT: rows_shift,
    Fault.LIST_DUPLICATE_ROW: duplicate_row,
    Fault.LIST_SMALL_PAGES: small_pages(LIST),
    Fault.LIST_SHORT: short(LIST),
    Fault.LIST_DATA_NULL: list_data_null,
    Fault.LIST_429: list_answers(429),
    Fault.LIST_500: list_answers(500),
    Fault.LIST_RESET: list_reset,
}


@pytest.mark.parametrize(
    "fault",
    [
        f
        for f in Fault
        if f.stage in {Stage.POLL, Stage.LIST, Stage.BILLING, Stage.BALANCE, Stage.PRICE}
    ],
)
async def test_a_fault_of_a_read_does_what_its_sentence_says(fault):
    async with open_desk(options(fault)) as desk:
        await SEEN[fault](desk)
        assert (await desk.audit())["faults"][fault] == 1
