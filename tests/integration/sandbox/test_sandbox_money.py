"""Prices, bill, balance and audit of the sandbox."""

from __future__ import annotations

import base64
import json
from decimal import Decimal

import pytest
from sandbox_client import VIDEO, open_desk, options

from catalog.pricing import MOLMO2, OFFLINE
from tasks.sandbox.faults import Fault, Scripted
from tasks.sandbox.options import CreditRefusal, Rounding

pytestmark = pytest.mark.anyio


async def price_of(desk, video):
    body = {"model_id": MOLMO2, "inputs": {"video": video}}
    return (await desk.client.post("/api/v3/model/price", json=body)).json()["data"]


async def balance_of(desk):
    return (await desk.client.get("/api/v3/balance")).json()["data"]["balance"]


@pytest.mark.parametrize(
    ("rounding", "seconds", "micros"),
    [
        (Rounding.BLOCKS, "0.4", 5_000),
        (Rounding.BLOCKS, "5", 5_000),
        (Rounding.BLOCKS, "5.01", 10_000),
        (Rounding.BLOCKS, "60", 60_000),
        (Rounding.BLOCKS, "500", 120_000),
        (Rounding.PER_SECOND, "1", 5_000),
        (Rounding.PER_SECOND, "7", 7_000),
        (Rounding.PER_SECOND, "7.2", 8_000),
        (Rounding.PER_SECOND, "500", 120_000),
    ],
)
async def test_what_is_quoted_is_what_is_deducted(rounding, seconds, micros):
    async with open_desk(options(rounding=rounding)) as desk:
        video = f"https://v.example/a.mp4#d={seconds}"
        quote = await price_of(desk, video)
        assert quote["price"] == quote["discounted_price"] == micros / 1_000_000
        [row] = await desk.bill(await desk.accepted(video))
        assert row["price"] == micros / 1_000_000
        assert (await desk.audit())["billed_micros"] == micros


async def test_a_discount_is_quoted_and_given():
    async with open_desk(options(discount=Decimal("0.1"))) as desk:
        quote = await price_of(desk, VIDEO)
        assert (quote["price"], quote["discounted_price"]) == (0.01, 0.009)
        [row] = await desk.bill(await desk.accepted())
        assert (row["price"], row["order"]["origin_price"]) == (0.009, 0.01)


async def test_a_quote_without_a_video_is_the_base_price():
    async with open_desk(options()) as desk:
        body = {"model_id": MOLMO2, "inputs": {}}
        answer = await desk.client.post("/api/v3/model/price", json=body)
    assert answer.json()["data"]["price"] == 0.005


async def test_the_offline_model_is_free_and_still_on_the_bill():
    async with open_desk(options()) as desk:
        [row] = await desk.bill(await desk.accepted(model=OFFLINE))
        assert row["price"] == 0
        assert await balance_of(desk) == 100


async def test_the_price_is_held_at_submission_and_done_at_the_end():
    steady = {"latency_scale": 1, "latency_mean_seconds": 10, "latency_sigma": 0}
    async with open_desk(options(**steady)) as desk:
        id_ = await desk.accepted()
        [row] = await desk.bill(id_)
        assert (row["billing_type"], row["order"]["state"]) == ("deduct", "pre")
        assert row["prediction"] == {
            "uuid": id_,
            "model_uuid": MOLMO2,
            "status": "processing",
        }
        assert await balance_of(desk) == 99.99
        desk.clock.advance(10)
        [row] = await desk.bill(id_)
        assert (row["order"]["state"], row["prediction"]["status"]) == ("done", "completed")


async def test_a_failed_prediction_is_refunded_after_the_delay():
    chosen = options(Fault.TASK_FAILED_5000, refund_delay_seconds=600)
    async with open_desk(chosen) as desk:
        id_ = await desk.accepted()
        assert [row["billing_type"] for row in await desk.bill(id_)] == ["deduct"]
        desk.clock.advance(600)
        rows = await desk.bill(id_)
        assert [(row["billing_type"], row["price"]) for row in rows] == [
            ("refund", 0.01),
            ("deduct", 0.01),
        ]
        assert len({row["uuid"] for row in rows}) == 2
        assert await balance_of(desk) == 100
        audit = await desk.audit()
    assert (audit["deducted_micros"], audit["refunded_micros"]) == (10_000, 10_000)
    assert audit["billed_micros"] == 0


@pytest.mark.parametrize(
    "fault",
    [
        Fault.TASK_FAILED_1400,
        Fault.TASK_FAILED_1401,
        Fault.TASK_CANCELLED,
        Fault.TASK_DELETED,
        Fault.OUTPUT_EMPTY_LIST,
    ],
)
async def test_what_is_not_promised_a_refund_gets_none(fault):
    async with open_desk(options(fault)) as desk:
        id_ = await desk.accepted()
        desk.clock.advance(86_400)
        assert [row["billing_type"] for row in await desk.bill(id_)] == ["deduct"]


@pytest.mark.parametrize(
    ("refusal", "status", "code"),
    [
        (CreditRefusal.PAYMENT_REQUIRED, 402, 402),
        (CreditRefusal.BAD_REQUEST, 400, 1407),
        (CreditRefusal.FORBIDDEN, 403, 403),
    ],
)
async def test_credit_may_run_out_in_the_middle(refusal, status, code):
    async with open_desk(options(balance_micros=25_000, credit_refusal=refusal)) as desk:
        answers = [await desk.submit() for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, status]
        assert answers[2].json()["code"] == code
        assert "insufficient credits" in answers[2].text
        audit = await desk.audit()
    assert (audit["accepted"], audit["balance_micros"]) == (2, 5_000)
    assert audit["refused"] == {"credit": 1}


async def test_the_bill_is_searched_by_prediction_kind_and_time_and_sorted():
    async with open_desk(options(Scripted(fault=Fault.TASK_FAILED_5000, first=2))) as desk:
        ids = []
        for _ in range(3):
            ids.append(await desk.accepted())
            desk.clock.advance(60)
        refunds = await desk.bill(billing_type="refund")
        assert [row["prediction"]["uuid"] for row in refunds] == [ids[1]]
        both = await desk.bill(ids[2], ids[0], billing_type="deduct", sort="created_at ASC")
        assert [row["prediction"]["uuid"] for row in both] == [ids[0], ids[2]]
        millis = str(1_795_424_400_000 + 60_000)
        for start in (millis, "2026-11-23T09:01:00Z"):
            late = await desk.bill(billing_type="deduct", start_time=start)
            assert [row["prediction"]["uuid"] for row in late] == ids[:0:-1]
        everything = await desk.client.post(
            "/api/v3/billings/search", json={"page": 2, "page_size": 3}
        )
        data = everything.json()["data"]
    assert (len(data["items"]), data["total"], data["has_more"]) == (1, 4, False)


async def test_paying_twice_for_the_same_is_a_duplicate():
    async with open_desk(options()) as desk:
        first = "https://v.example/a.mp4?X-Amz-Signature=1&reelcat=1#d=10"
        again = "https://v.example/a.mp4?X-Amz-Signature=2&reelcat=2#d=10"
        await desk.accepted(first, task="summary")
        await desk.accepted(first, task="counting")
        await desk.accepted(first, task="summary", text="cats")
        await desk.accepted("https://v.example/b.mp4", task="summary")
        await desk.accepted(first, task="summary", model=OFFLINE)
        assert (await desk.audit())["duplicates"] == 0
        id_ = await desk.accepted(again, task="summary")
        audit = await desk.audit()
    assert (audit["duplicates"], audit["duplicate_ids"]) == (1, [id_])


async def test_the_same_bytes_under_two_names_are_one_video():
    async with open_desk(options()) as desk:
        await desk.accepted(await desk.uploaded(b"7.5 seconds"))
        await desk.accepted(await desk.uploaded(b"7.5 seconds"))
        assert (await desk.audit())["duplicates"] == 1


async def test_paying_again_after_a_failure_is_no_duplicate():
    async with open_desk(options(Fault.TASK_FAILED_5000)) as desk:
        await desk.accepted()
        await desk.accepted()
        assert (await desk.audit())["duplicates"] == 0
        await desk.accepted()
        assert (await desk.audit())["duplicates"] == 1


async def test_paying_again_for_what_expired_unread_is_no_duplicate():
    async with open_desk(options()) as desk:
        await desk.accepted()
        desk.clock.advance(8 * 86_400)
        id_ = await desk.accepted()
        assert (await desk.audit())["duplicates"] == 0
        await desk.polled(id_)
        desk.clock.advance(8 * 86_400)
        await desk.accepted()
        assert (await desk.audit())["duplicates"] == 1


async def test_the_audit_counts_polls_and_what_was_never_read():
    async with open_desk(options()) as desk:
        ids = [await desk.accepted(f"https://v.example/{n}.mp4") for n in range(3)]
        await desk.polled(ids[0])
        desk.clock.advance(7)
        await desk.polled(ids[0])
        desk.clock.advance(5)
        await desk.polled(ids[0])
        await desk.polled(ids[1])
        await desk.poll("0" * 32)
        audit = await desk.audit()
    assert (audit["polls"], audit["polls_most"], audit["min_poll_gap_seconds"]) == (5, 3, 5)
    assert (audit["completed"], audit["unread"]) == (3, 1)
    assert audit["requests"] == {"submit": 3, "poll": 5}
    assert audit["refused"] == {"prediction": 1}


async def test_a_read_in_the_history_is_no_poll():
    async with open_desk(options()) as desk:
        await desk.accepted()
        await desk.listed()
        assert (await desk.audit())["unread"] == 1


async def test_the_audit_lists_predictions_without_signatures():
    async with open_desk(options()) as desk:
        id_ = await desk.accepted("https://v.example/a.mp4?X-Amz-Signature=abc#d=7", task="summary")
        answer = await desk.client.get("/audit/predictions")
    [row] = answer.json()
    assert "abc" not in answer.text
    assert (row["id"], row["task"], row["status"]) == (id_, "summary", "completed")
    assert (row["price_micros"], row["charged_micros"]) == (10_000, 10_000)
    assert row["video"] == "https://v.example/a.mp4#d=7"


async def test_the_audit_is_a_page_for_browsers_that_have_the_key():
    async with open_desk(options(api_key="wsk_books")) as desk:
        await desk.accepted()
        basic = f"Basic {base64.b64encode(b'anybody:wsk_books').decode()}"
        page = await desk.fetch(
            "http://sandbox.test/audit", accept="text/html,*/*", authorization=basic
        )
        plain = await desk.client.get("http://sandbox.test/audit")
    assert page.headers["content-type"].startswith("text/html")
    assert "$0.010000" in page.text
    assert json.loads(plain.text)["billed_micros"] == 10_000
