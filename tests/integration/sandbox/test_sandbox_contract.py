"""What the sandbox answers when nothing goes wrong, and what it refuses."""

from __future__ import annotations

import re

import httpx
import pytest
from sandbox_client import SUBMIT, VIDEO, open_desk, options

from catalog.errors import SettingsError
from catalog.pricing import OFFLINE
from tasks.sandbox.app import create_app
from tasks.sandbox.faults import Fault, FaultPlan, Scripted
from tasks.sandbox.options import Mode, SandboxOptions, Tier

pytestmark = pytest.mark.anyio

STEADY = {"latency_scale": 1, "latency_mean_seconds": 10, "latency_sigma": 0}


async def test_a_submission_is_answered_as_documented():
    async with open_desk(options()) as desk:
        body = (await desk.submit(task="counting", text="people")).json()
    data = body["data"]
    assert (body["code"], body["message"]) == (200, "success")
    assert re.fullmatch(r"[0-9a-f]{32}", data["id"])
    assert re.fullmatch(r"2026-11-23T09:00:00\.\d{9}Z", data["created_at"])
    assert data["urls"]["get"] == f"http://sandbox.test/api/v3/predictions/{data['id']}/result"
    assert (data["status"], data["outputs"], data["error"]) == ("created", [], "")
    assert data["timings"] == {"inference": 0}


async def test_a_wrong_key_comes_before_everything_else():
    async with open_desk(options()) as desk:
        for headers in ({"Authorization": "Bearer no"}, {"X-API-Key": "wsk_sandbox"}, {}):
            async with desk.bare() as stranger:
                url = "http://sandbox.test/api/v3/no/such/model"
                answer = await stranger.post(url, json={}, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, 401)
        assert (await desk.audit())["refused"] == {"unauthorised": 3}


async def test_an_unknown_model_comes_before_a_wrong_body():
    async with open_desk(options()) as desk:
        assert (await desk.submit(video=1, model="no/such/model")).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "video"),
        ({"video": 7}, "video"),
        ({"video": "ftp://h/a.mp4"}, "video"),
        ({"video": "file:///etc/passwd"}, "video"),
        ({"video": "data:video/mp4;base64,AAAA"}, "video"),
        ({"video": VIDEO, "task": "sing"}, "task"),
        ({"video": VIDEO, "text": 7}, "text"),
    ],
)
async def test_a_wrong_field_is_refused_by_name(body, field):
    async with open_desk(options()) as desk:
        answer = await desk.client.post(SUBMIT, json=body)
        assert answer.status_code == 400
        assert f'field "{field}"' in answer.json()["message"]
        assert (await desk.audit())["refused"] == {f"field:{field}": 1}


async def test_a_wrong_task_is_told_which_there_are():
    async with open_desk(options()) as desk:
        message = (await desk.submit(task="sing")).json()["message"]
    assert message.endswith(
        "must be one of general, summary, analysis, counting, scene_description"
    )


async def test_unknown_keys_are_dropped():
    async with open_desk(options()) as desk:
        await desk.accepted(client_id="mine", task="summary")
        [row] = await desk.listed(include_inputs=True)
    assert row["inputs"] == {"video": VIDEO, "task": "summary"}


async def test_the_task_is_general_unless_said_otherwise():
    async with open_desk(options()) as desk:
        await desk.accepted()
        [row] = await desk.listed(include_inputs=True)
    assert row["inputs"]["task"] == "general"


async def test_a_prediction_is_created_then_processing_then_completed():
    async with open_desk(options(**STEADY)) as desk:
        id_ = await desk.accepted()
        seen = []
        for seconds in (0, 2, 7.9, 0.2):
            desk.clock.advance(seconds)
            data = await desk.polled(id_)
            seen.append((data["status"], len(data["outputs"])))
    assert seen == [("created", 0), ("processing", 0), ("processing", 0), ("completed", 1)]


async def test_both_addresses_of_a_prediction_answer_alike():
    async with open_desk(options()) as desk:
        id_ = await desk.accepted()
        long = await desk.client.get(f"/api/v3/predictions/{id_}/result")
        short = await desk.client.get(f"/api/v3/predictions/{id_}")
    assert long.json() == short.json()


async def test_an_unknown_prediction_and_an_unknown_address_are_404_in_an_envelope():
    async with open_desk(options()) as desk:
        assert (await desk.poll("0" * 32)).json()["message"] == "Prediction not found"
        answer = await desk.client.get("/nothing")
    assert (answer.status_code, answer.json()["code"]) == (404, 404)


async def test_latencies_average_sixteen_seconds_scaled():
    async with open_desk(options(latency_scale=0.5, seed=7)) as desk:
        for _ in range(400):
            await desk.accepted()
        desk.clock.advance(3600)
        rows = [row for page in range(1, 5) for row in await desk.listed(page=page)]
    mean = sum(row["executionTime"] for row in rows) / len(rows) / 1000
    assert 7.2 < mean < 8.8


async def test_a_seed_makes_ids_repeatable_and_none_makes_them_fresh():
    async def first_id(seed):
        async with open_desk(options(seed=seed)) as desk:
            return await desk.accepted()

    assert await first_id(3) == await first_id(3)
    assert await first_id(None) != await first_id(None)


async def test_over_the_concurrency_a_prediction_waits_as_created():
    tier = Tier(starts_per_minute=100, max_concurrent=2)
    async with open_desk(options(tier=tier, **STEADY)) as desk:
        ids = [await desk.accepted() for _ in range(3)]
        desk.clock.advance(5)
        assert [(await desk.polled(i))["status"] for i in ids] == ["processing"] * 2 + ["created"]
        desk.clock.advance(5)
        assert [(await desk.polled(i))["status"] for i in ids] == ["completed"] * 2 + ["created"]
        desk.clock.advance(10)
        assert (await desk.polled(ids[2]))["status"] == "completed"
        assert (await desk.audit())["in_flight_peak"] == 3


async def test_too_many_starts_in_a_minute_are_refused_until_the_next():
    tier = Tier(starts_per_minute=2, max_concurrent=100)
    async with open_desk(options(tier=tier)) as desk:
        assert [(await desk.submit()).status_code for _ in range(3)] == [200, 200, 429]
        desk.clock.advance(59)
        assert (await desk.submit()).status_code == 429
        desk.clock.advance(1)
        assert (await desk.submit()).status_code == 200
        audit = await desk.audit()
    assert (audit["starts_per_minute_peak"], audit["starts_in_60_seconds_peak"]) == (2, 2)
    assert audit["refused"] == {"rate": 2}


async def test_after_seven_days_predictions_and_uploads_are_forgotten():
    async with open_desk(options()) as desk:
        url = await desk.uploaded(b"7.5 seconds")
        id_ = await desk.accepted(url)
        desk.clock.advance(7 * 86_400 - 1)
        assert (await desk.audit())["unread_at_expiry"] == 0
        assert len(await desk.listed()) == 1
        desk.clock.advance(1)
        assert (await desk.poll(id_)).status_code == 404
        assert (await desk.fetch(url)).status_code == 404
        assert await desk.listed() == []
        audit = await desk.audit()
    assert (audit["unread"], audit["unread_at_expiry"]) == (1, 1)


async def test_the_history_is_newest_first_by_page_time_model_and_status():
    async with open_desk(options(list_total=True)) as desk:
        ids = []
        for model in (OFFLINE, "wavespeed-ai/molmo2/video-understanding") * 3:
            ids.append(await desk.accepted(model=model))
            desk.clock.advance(60)
        assert [row["id"] for row in await desk.listed()] == ids[::-1]
        page = (await desk.list(page=2, page_size=4)).json()["data"]
        assert ([row["id"] for row in page["items"]], page["total"]) == (ids[1::-1], 6)
        assert [row["id"] for row in await desk.listed(model=OFFLINE)] == ids[4::-2]
        since = await desk.listed(created_after="2026-11-23T09:02:00Z")
        assert [row["id"] for row in since] == ids[:1:-1]
        until = await desk.listed(created_before="2026-11-23T10:01:00.5+01:00")
        assert [row["id"] for row in until] == ids[1::-1]
        assert await desk.listed(status="failed") == []
        assert len(await desk.listed(status="completed")) == 6
        assert await desk.listed(page=9) == []


@pytest.mark.parametrize(
    "body",
    [
        {"page_size": 0},
        {"page_size": 101},
        {"page": 0},
        {"created_after": "2026-11-23"},
        {"created_before": "yesterday"},
    ],
)
async def test_a_wrong_page_or_time_is_refused(body):
    async with open_desk(options()) as desk:
        assert (await desk.list(**body)).status_code == 400


async def test_inputs_are_listed_only_where_asked_for_and_honoured():
    async with open_desk(options()) as desk:
        await desk.accepted()
        assert "inputs" not in (await desk.listed())[0]
        assert "inputs" in (await desk.listed(include_inputs=True))[0]
    async with open_desk(options(include_inputs=False)) as desk:
        await desk.accepted()
        assert "inputs" not in (await desk.listed(include_inputs=True))[0]


async def test_the_history_may_lag():
    async with open_desk(options(list_lag_seconds=30)) as desk:
        id_ = await desk.accepted()
        assert await desk.listed() == []
        assert (await desk.poll(id_)).status_code == 200
        desk.clock.advance(30)
        assert len(await desk.listed()) == 1


async def test_controls_are_closed_unless_opened():
    async with open_desk(options()) as desk:
        for path in ("faults", "clock", "balance"):
            assert (await desk.client.post(f"/control/{path}", json={})).status_code == 404


async def test_controls_change_faults_clock_and_balance():
    async with open_desk(options(control=True)) as desk:
        post = desk.client.post
        await post("/control/faults", json={"script": [{"fault": "submit-503", "times": 2}]})
        assert [(await desk.submit()).status_code for _ in range(3)] == [503, 503, 200]
        plan = (await desk.client.get("/control/faults")).json()["data"]
        assert plan["script"][0]["fault"] == "submit-503"
        assert plan["faults"]["poll-404"] == {"stage": "poll", "what": "Answered 404."}
        assert (await post("/control/faults", json={"rates": {"nonsense": 1}})).status_code == 400
        too_much = {"rates": {"poll-404": 0.7, "poll-500": 0.7}}
        assert (await post("/control/faults", json=too_much)).status_code == 400
        await post("/control/balance", json={"balance_micros": 1})
        assert (await desk.submit()).status_code == 402
        await post("/control/clock", json={"advance_seconds": 7 * 86_400})
        assert (await desk.audit())["unread_at_expiry"] == 1


async def test_rates_strike_about_as_often_as_said_and_alike_under_one_seed():
    async def statuses():
        faults = FaultPlan(rates={Fault.SUBMIT_503: 0.3, Fault.SUBMIT_429: 0.2}, seed=5)
        async with open_desk(options(faults=faults)) as desk:
            return [(await desk.submit()).status_code for _ in range(300)]

    first = await statuses()
    assert first == await statuses()
    assert 60 < first.count(503) < 120
    assert 35 < first.count(429) < 85


async def test_a_script_counts_from_its_first():
    line = Scripted(fault=Fault.SUBMIT_503, first=3, times=2)
    async with open_desk(options(line)) as desk:
        assert [(await desk.submit()).status_code for _ in range(5)] == [200, 200, 503, 503, 200]


def test_a_sandbox_without_a_model_must_be_canned():
    with pytest.raises(SettingsError, match="canned"):
        create_app(SandboxOptions())
    create_app(SandboxOptions(mode=Mode.CANNED)).state.sandbox.close()


@pytest.mark.parametrize("wrong", [{"api_key": ""}, {"discount": 2}, {"latency_scale": -1}])
def test_options_that_make_no_sense_are_refused(wrong):
    with pytest.raises(SettingsError):
        SandboxOptions(**wrong)


async def test_the_key_is_not_in_reprs():
    assert "wsk_" not in repr(SandboxOptions())
    async with open_desk(options()) as desk:
        await desk.accepted("https://h/a.mp4?X-Amz-Signature=abc")
        [prediction] = desk.app.state.sandbox.account.predictions.values()
    assert "abc" not in repr(prediction)


async def test_the_application_may_be_used_over_any_host_name():
    app = create_app(options())
    headers = {"Authorization": "Bearer wsk_sandbox"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), headers=headers) as client:
        answer = await client.post(f"http://any.example{SUBMIT}", json={"video": VIDEO})
    assert answer.json()["data"]["urls"]["get"].startswith("http://any.example/api/v3/")
