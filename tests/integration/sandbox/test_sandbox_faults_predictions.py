"""Every fault of a prediction's course, outputs and charge does what its sentence says."""

from __future__ import annotations

import json

import pytest
from sandbox_client import VIDEO, open_desk, options

from tasks.sandbox.faults import Fault, Scripted, Stage

pytestmark = pytest.mark.anyio


def never_past(status):
    async def check(desk):
        id_ = await desk.accepted()
        desk.clock.advance(86_400)
        data = await desk.polled(id_)
        assert data["status"] == status
        assert not data["outputs"]

    return check


async def ten_times_as_long(desk):
    id_ = await desk.accepted()
    desk.clock.advance(100)
    assert (await desk.polled(id_))["status"] == "processing"
    desk.clock.advance(100)
    assert (await desk.polled(id_))["status"] == "completed"


async def pending_at_first(desk):
    assert (await desk.submit()).json()["data"]["status"] == "pending"


async def unseen_at_first(desk):
    id_ = await desk.accepted()
    answers = [(await desk.poll(id_)).status_code for _ in range(3)]
    assert answers == [404, 404, 200]


def ends(status, code=0):
    async def check(desk):
        data = await desk.polled(await desk.accepted())
        assert (data["status"], data["code"]) == (status, code)
        assert data["outputs"] == []
        assert data["error"]
        audit = await desk.audit()
        assert (audit["completed"], audit["failed"]) == (0, 1)

    return check


def puts_out(looks_right):
    async def check(desk):
        data = await desk.polled(await desk.accepted())
        assert data["status"] == "completed"
        assert looks_right(data["outputs"]), data["outputs"]

    return check


async def puts_out_an_address(desk):
    [address] = (await desk.polled(await desk.accepted()))["outputs"]
    assert "canned" in (await desk.fetch(address)).text


def charged(micros):
    async def check(desk):
        [row] = await desk.bill(await desk.accepted("https://v.example/a.mp4#d=7"))
        assert row["price"] == micros / 1_000_000
        assert (await desk.audit())["billed_micros"] == micros

    return check


async def not_charged(desk):
    id_ = await desk.accepted()
    assert await desk.bill(id_) == []
    assert (await desk.audit())["billed_micros"] == 0
    assert (await desk.polled(id_))["status"] == "completed"


async def refunded_late(desk):
    id_ = await desk.accepted("https://v.example/broken.mp4")
    assert [row["billing_type"] for row in await desk.bill(id_)] == ["deduct"]
    desk.clock.advance(3 * 3600)
    kinds = [row["billing_type"] for row in await desk.bill(id_, sort="created_at ASC")]
    assert kinds == ["deduct", "refund"]


async def never_refunded(desk):
    id_ = await desk.accepted("https://v.example/broken.mp4")
    desk.clock.advance(6 * 86_400)
    assert [row["billing_type"] for row in await desk.bill(id_)] == ["deduct"]


def answers_to(method, path, body, status):
    async def check(desk):
        answer = await desk.client.request(method, path, json=body)
        assert answer.status_code == status
        assert answer.json()["code"] == status
        assert (await desk.client.request(method, path, json=body)).status_code == 200

    return check


PRICE = {"model_id": "wavespeed-ai/molmo2/video-understanding", "inputs": {"video": VIDEO}}


def price(status):
    return answers_to("POST", "/api/v3/model/price", PRICE, status)


async def foreign_row(desk):
    ours = await desk.accepted()
    rows = await desk.listed(include_inputs=True)
    assert [row["id"] == ours for row in rows] == [False, True]
    assert rows[0]["model"] == rows[1]["model"]
    assert (await desk.audit())["accepted"] == 1


async def one_listed_late(desk):
    late, other = await desk.accepted(), await desk.accepted()
    assert [row["id"] for row in await desk.listed()] == [other]
    assert (await desk.polled(late))["status"] == "completed"
    desk.clock.advance(90)
    assert [row["id"] for row in await desk.listed()] == [other, late]


def starts_json(outputs):
    try:
        json.loads(outputs[0])
    except ValueError:
        return outputs[0].startswith("{")
    return False


SEEN = {
    Fault.TASK_NEVER_STARTS: never_past("created"),
    Fault.TASK_NEVER_ENDS: never_past("processing"),
    Fault.TASK_UNKNOWN_STATUS: never_past("warming_up"),
    Fault.TASK_SLOW: ten_times_as_long,
    Fault.TASK_PENDING: pending_at_first,
    Fault.TASK_UNSEEN: unseen_at_first,
    Fault.TASK_CANCELLED: ends("cancelled"),
    Fault.TASK_TIMEOUT: ends("timeout"),
    Fault.TASK_DELETED: ends("deleted"),
    Fault.OUTPUT_EMPTY_LIST: puts_out(lambda outputs: outputs == []),
    Fault.OUTPUT_NULL: puts_out(lambda outputs: outputs is None),
    Fault.OUTPUT_EMPTY_TEXT: puts_out(lambda outputs: outputs == [""]),
    Fault.OUTPUT_WHITESPACE: puts_out(lambda outputs: outputs[0] and not outputs[0].strip()),
    Fault.OUTPUT_VERY_LONG: puts_out(lambda outputs: len(outputs[0]) > 200_000),
    Fault.OUTPUT_NON_ASCII: puts_out(lambda outputs: "東京" in outputs[0] and "🎬" in outputs[0]),
    Fault.OUTPUT_FENCED_JSON: puts_out(lambda outputs: outputs[0].startswith("```json\n{")),
    Fault.OUTPUT_CUT_JSON: puts_out(starts_json),
    Fault.OUTPUT_REFUSAL: puts_out(lambda outputs: "can't help" in outputs[0]),
    Fault.OUTPUT_URL: puts_out_an_address,
    Fault.OUTPUT_OBJECT: puts_out(lambda outputs: "canned" in outputs[0]["text"]),
    Fault.OUTPUT_BARE_OBJECT: puts_out(lambda outputs: "canned" in outputs["text"]),
    Fault.OUTPUT_SEVERAL: puts_out(lambda outputs: len(outputs) == 2),
    Fault.CHARGE_DISCOUNTED: charged(5_000),
    Fault.CHARGE_PER_SECOND: charged(7_000),
    Fault.CHARGE_MORE: charged(15_000),
    Fault.CHARGE_15_DOLLARS: charged(15_000_000),
    Fault.CHARGE_NONE: not_charged,
    Fault.REFUND_LATE: refunded_late,
    Fault.REFUND_NEVER: never_refunded,
    Fault.HISTORY_FOREIGN_ROWS: foreign_row,
    Fault.HISTORY_LATE: one_listed_late,
} | {
    fault: ends("failed", int(fault.rpartition("-")[2]))
    for fault in Fault
    if fault.startswith("task-failed-")
}


def chosen(fault):
    if fault is Fault.TASK_SLOW:
        return options(fault, latency_scale=1, latency_mean_seconds=15, latency_sigma=0)
    if fault.stage is Stage.REFUND:
        return options(fault, Fault.TASK_FAILED_1402)
    return options(fault)


@pytest.mark.parametrize(
    "fault",
    [f for f in Fault if f.stage in {Stage.TASK, Stage.CHARGE, Stage.REFUND, Stage.HISTORY}],
)
async def test_a_fault_of_a_prediction_does_what_its_sentence_says(fault):
    async with open_desk(chosen(fault)) as desk:
        await SEEN[fault](desk)
        assert (await desk.audit())["faults"][fault] == 1


async def test_a_scripted_fault_strikes_only_what_it_is_about():
    script = Scripted(fault=Fault.TASK_FAILED_1403, about="b.mp4", times=None)
    async with open_desk(options(script)) as desk:
        statuses = [
            (await desk.polled(await desk.accepted(f"https://v.example/{name}.mp4")))["status"]
            for name in "abab"
        ]
    assert statuses == ["completed", "failed", "completed", "failed"]


async def test_without_faults_all_goes_well():
    async with open_desk(options()) as desk:
        assert (await desk.polled(await desk.accepted()))["status"] == "completed"
        assert (await desk.audit())["faults"] == {}
