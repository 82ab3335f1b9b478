"""Every fault of submissions does what its sentence says."""

from __future__ import annotations

import json
from datetime import timedelta
from email.utils import parsedate_to_datetime

import httpx
import pytest
from sandbox_client import VIDEO, open_desk, options

from tasks.sandbox.fault_responses import LOST_ANSWERS
from tasks.sandbox.faults import Fault, Stage

pytestmark = pytest.mark.anyio


def unreadable(answer):
    try:
        answer.json()
    except json.JSONDecodeError:
        return True
    return False


def no_envelope(answer):
    return not {"code", "data"} & answer.json().keys()


def refused(status, code=None, words=""):
    async def check(desk):
        answer = await desk.submit()
        assert answer.status_code == status
        assert answer.json()["code"] == (code or status)
        assert words in answer.text
        assert (await desk.audit())["accepted"] == 0
        assert await desk.listed() == []

    return check


async def refused_with_seconds(desk):
    assert (await desk.submit()).headers["Retry-After"] == "1"
    assert (await desk.audit())["accepted"] == 0


async def refused_with_a_date(desk):
    answer = await desk.submit()
    assert answer.status_code == 429
    when = parsedate_to_datetime(answer.headers["Retry-After"])
    assert when - parsedate_to_datetime(answer.headers["Date"]) == timedelta(seconds=1)
    assert (await desk.audit())["accepted"] == 0


async def refused_without_retry_after(desk):
    await refused(429)(desk)
    assert "Retry-After" not in (await desk.submit()).headers


async def credit_runs_out(desk):
    for _ in range(2):
        answer = await desk.submit()
        assert answer.status_code == 402
    assert (await desk.audit())["balance_micros"] == 0


def dropped(status=None, error=None, words=""):
    async def check(desk):
        if error is not None:
            with pytest.raises(error):
                await desk.submit()
        else:
            answer = await desk.submit()
            assert answer.status_code == status
            assert words in answer.text
        assert (await desk.audit())["accepted"] == 0

    return check


def lost(status=200, error=None, says=None):
    async def check(desk):
        if error is not None:
            with pytest.raises(error):
                await desk.submit()
        else:
            answer = await desk.submit()
            assert answer.status_code == status
            if says is not None:
                assert says(answer)
        [row] = await desk.listed(include_inputs=True)
        assert row["inputs"]["video"] == VIDEO
        audit = await desk.audit()
        assert (audit["accepted"], audit["answers_lost"], audit["orphaned"]) == (1, 1, 1)
        assert audit["billed_micros"] == 10_000

    return check


def answered_as(status, has_outputs):
    async def check(desk):
        data = (await desk.submit()).json()["data"]
        assert data["status"] == status
        assert bool(data["outputs"]) is has_outputs

    return check


def answers_to(method, path, body, status):
    async def check(desk):
        answer = await desk.client.request(method, path, json=body)
        assert answer.status_code == status
        assert answer.json()["code"] == status
        assert (await desk.client.request(method, path, json=body)).status_code == 200

    return check


def balance(status):
    return answers_to("GET", "/api/v3/balance", None, status)


SEEN = {
    Fault.SUBMIT_400: refused(400, words="video"),
    Fault.SUBMIT_401: refused(401),
    Fault.SUBMIT_402: refused(402, words="insufficient credits"),
    Fault.SUBMIT_400_CREDIT: refused(400, 1407, "insufficient credits"),
    Fault.SUBMIT_403_CREDIT: refused(403, words="insufficient balance"),
    Fault.SUBMIT_403: refused(403, words="error_code"),
    Fault.SUBMIT_404: refused(404, words="model not found"),
    Fault.SUBMIT_413: refused(413),
    Fault.SUBMIT_429: refused_without_retry_after,
    Fault.SUBMIT_429_SECONDS: refused_with_seconds,
    Fault.SUBMIT_429_DATE: refused_with_a_date,
    Fault.SUBMIT_503: refused(503),
    Fault.SUBMIT_CREDIT_RUNS_OUT: credit_runs_out,
    Fault.SUBMIT_DROPPED_RESET: dropped(error=httpx.ReadError),
    Fault.SUBMIT_DROPPED_STALL: dropped(error=httpx.ReadTimeout),
    Fault.SUBMIT_DROPPED_500: dropped(500),
    Fault.SUBMIT_DROPPED_502: dropped(502, words="<html>"),
    Fault.SUBMIT_DROPPED_504: dropped(504, words="<html>"),
    Fault.SUBMIT_DROPPED_403: dropped(403, words="<html>"),
    Fault.SUBMIT_DROPPED_429: dropped(429, words='{"message"'),
    Fault.SUBMIT_DROPPED_503: dropped(503, words="<html>"),
    Fault.SUBMIT_DROPPED_CODE_5003: dropped(200, words='"code":5003'),
    Fault.SUBMIT_LOST_RESET: lost(error=httpx.ReadError),
    Fault.SUBMIT_LOST_STALL: lost(error=httpx.ReadTimeout),
    Fault.SUBMIT_LOST_500: lost(500),
    Fault.SUBMIT_LOST_502: lost(502, says=unreadable),
    Fault.SUBMIT_LOST_504: lost(504, says=unreadable),
    Fault.SUBMIT_LOST_400: lost(400, says=unreadable),
    Fault.SUBMIT_LOST_401: lost(401, says=no_envelope),
    Fault.SUBMIT_LOST_402: lost(402, says=unreadable),
    Fault.SUBMIT_LOST_403: lost(403, says=unreadable),
    Fault.SUBMIT_LOST_404: lost(404, says=unreadable),
    Fault.SUBMIT_LOST_413: lost(413, says=unreadable),
    Fault.SUBMIT_LOST_429: lost(429, says=no_envelope),
    Fault.SUBMIT_LOST_503: lost(503, says=unreadable),
    Fault.SUBMIT_LOST_CUT_BODY: lost(error=httpx.RemoteProtocolError),
    Fault.SUBMIT_LOST_CUT_JSON: lost(says=unreadable),
    Fault.SUBMIT_LOST_HTML: lost(says=unreadable),
    Fault.SUBMIT_LOST_EMPTY: lost(says=unreadable),
    Fault.SUBMIT_LOST_DATA_NULL: lost(says=lambda answer: answer.json()["data"] is None),
    Fault.SUBMIT_LOST_NO_ID: lost(says=lambda answer: "id" not in answer.json()["data"]),
    Fault.SUBMIT_DROPPED_401: dropped(401, words="<html>"),
    Fault.SUBMIT_LOST_OTHER_ID: lost(says=lambda answer: answer.json()["data"]["id"]),
    Fault.SUBMIT_LOST_503_JSON: lost(503, says=lambda answer: "data" not in answer.json()),
    Fault.SUBMIT_LOST_503_DATA: lost(503, says=lambda answer: "id" in answer.json()["data"]),
    Fault.SUBMIT_PROCESSING: answered_as("processing", has_outputs=False),
    Fault.SUBMIT_COMPLETED: answered_as("completed", has_outputs=True),
}


@pytest.mark.parametrize("fault", [f for f in Fault if f.stage is Stage.SUBMIT])
async def test_a_fault_of_a_submission_does_what_its_sentence_says(fault):
    async with open_desk(options(fault)) as desk:
        await SEEN[fault](desk)
        assert (await desk.audit())["faults"][fault] == 1


@pytest.mark.parametrize("fault", sorted(LOST_ANSWERS))
async def test_a_refused_submission_is_refused_even_where_its_answer_was_to_be_lost(fault):
    async with open_desk(options(fault)) as desk:
        assert (await desk.submit(task="sing")).status_code == 400
        assert (await desk.audit())["accepted"] == 0
