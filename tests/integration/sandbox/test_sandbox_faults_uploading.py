"""Every fault of uploads does what its sentence says."""

from __future__ import annotations

import httpx
import pytest
from sandbox_client import open_desk, options

from tasks.sandbox.faults import Fault, Stage

pytestmark = pytest.mark.anyio

CONTENT = b"7.5 seconds"


def answers_to(method, path, body, status):
    async def check(desk):
        answer = await desk.client.request(method, path, json=body)
        assert answer.status_code == status
        assert answer.json()["code"] == status
        assert (await desk.client.request(method, path, json=body)).status_code == 200

    return check


def ticket_answers(status):
    return answers_to("POST", "/api/v3/media/uploads", {"filename": "a.mp4", "size": 5}, status)


async def ticket_reset(desk):
    with pytest.raises(httpx.ReadError):
        await desk.ticket(5)


async def ticket_expired(desk):
    ticket = (await desk.ticket(len(CONTENT))).json()["data"]
    assert (await desk.put(ticket, CONTENT)).status_code == 403


def put_fails(status=None, error=None, then=200):
    async def check(desk):
        ticket = (await desk.ticket(len(CONTENT))).json()["data"]
        if error is not None:
            with pytest.raises(error):
                await desk.put(ticket, CONTENT)
        else:
            assert (await desk.put(ticket, CONTENT)).status_code == status
        stored = (await desk.fetch(ticket["download_url"])).status_code == 200
        assert stored is (then == 412)
        assert (await desk.put(ticket, CONTENT)).status_code == then
        assert (await desk.fetch(ticket["download_url"])).content == CONTENT

    return check


async def media_gone(desk):
    url = await desk.uploaded(CONTENT)
    assert (await desk.fetch(url)).status_code == 404
    assert (await desk.polled(await desk.accepted(url)))["code"] == 1402


SEEN = {
    Fault.TICKET_429: ticket_answers(429),
    Fault.TICKET_413: ticket_answers(413),
    Fault.TICKET_500: ticket_answers(500),
    Fault.TICKET_RESET: ticket_reset,
    Fault.TICKET_EXPIRED: ticket_expired,
    Fault.PUT_403: put_fails(403),
    Fault.PUT_412: put_fails(412),
    Fault.PUT_500: put_fails(500),
    Fault.PUT_RESET: put_fails(error=httpx.ReadError),
    Fault.PUT_LOST_RESET: put_fails(error=httpx.ReadError, then=412),
    Fault.PUT_LOST_STALL: put_fails(error=httpx.ReadTimeout, then=412),
    Fault.MEDIA_GONE: media_gone,
}


@pytest.mark.parametrize(
    "fault", [f for f in Fault if f.stage in {Stage.TICKET, Stage.PUT, Stage.MEDIA}]
)
async def test_a_fault_of_an_upload_does_what_its_sentence_says(fault):
    async with open_desk(options(fault)) as desk:
        await SEEN[fault](desk)
        assert (await desk.audit())["faults"][fault] == 1
