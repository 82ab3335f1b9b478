"""A sandbox with a state file goes on after a restart."""

from __future__ import annotations

import json
import stat

import pytest
from sandbox_client import START, VIDEO, open_desk, options

from catalog.errors import SettingsError
from tasks.sandbox.app import create_app
from tasks.sandbox.faults import Fault, Scripted
from tasks.sandbox.options import Mode

pytestmark = pytest.mark.anyio

STEADY = {"latency_scale": 1, "latency_mean_seconds": 10, "latency_sigma": 0}
SHOWN = (
    "accepted",
    "completed",
    "failed",
    "in_flight",
    "billed_micros",
    "balance_micros",
    "unread",
)


async def test_books_history_and_answers_outlive_a_restart(tmp_path):
    state = tmp_path / "sandbox.jsonl"
    script = [
        Scripted(fault=Fault.TASK_FAILED_5000, first=2),
        Scripted(fault=Fault.SUBMIT_LOST_500, first=3),
    ]
    async with open_desk(options(*script, state=state)) as desk:
        ids = [await desk.accepted(f"https://v.example/{n}.mp4") for n in range(2)]
        await desk.submit("https://v.example/2.mp4")
        for id_ in ids:
            await desk.polled(id_)
        before = await desk.audit()
        bill = await desk.bill()
        history = await desk.listed(include_inputs=True)
    async with open_desk(options(state=state)) as desk:
        after = await desk.audit()
        assert {key: after[key] for key in SHOWN} == {key: before[key] for key in SHOWN}
        assert after["answers_lost"] == 1
        assert await desk.bill() == bill
        assert await desk.listed(include_inputs=True) == history
        assert (await desk.polled(ids[0]))["outputs"] == history[2]["outputs"]
        await desk.accepted("https://v.example/0.mp4")
        assert (await desk.audit())["duplicates"] == 1


async def test_what_was_running_goes_on(tmp_path):
    state = tmp_path / "sandbox.jsonl"
    async with open_desk(options(state=state, **STEADY)) as desk:
        id_ = await desk.accepted()
    async with open_desk(options(state=state, **STEADY)) as desk:
        desk.clock.advance(9)
        assert (await desk.polled(id_))["status"] == "processing"
        desk.clock.advance(1)
        assert (await desk.polled(id_))["status"] == "completed"


async def test_work_that_a_restart_cut_short_is_done_again(tmp_path):
    chosen = options(state=tmp_path / "sandbox.jsonl", mode=Mode.VIDEO, **STEADY)
    async with open_desk(chosen) as desk:
        id_ = await desk.accepted(await desk.uploaded(b"7.5 seconds"))
    async with open_desk(chosen) as desk:
        desk.clock.advance(10)
        assert (await desk.ended(id_))["status"] == "completed"


async def test_tickets_and_uploads_outlive_a_restart(tmp_path):
    state = tmp_path / "sandbox.jsonl"
    async with open_desk(options(state=state)) as desk:
        url = await desk.uploaded(b"7.5 seconds")
        ticket = (await desk.ticket(5)).json()["data"]
    async with open_desk(options(state=state)) as desk:
        assert (await desk.fetch(url)).content == b"7.5 seconds"
        assert (await desk.put(ticket, b"12345")).status_code == 200


async def test_a_seed_gives_no_id_twice_after_a_restart(tmp_path):
    chosen = options(state=tmp_path / "sandbox.jsonl", seed=1)
    ids = []
    for _ in range(3):
        async with open_desk(chosen) as desk:
            ids.append(await desk.accepted())
    assert len(set(ids)) == 3


async def test_a_line_that_a_crash_cut_short_is_dropped(tmp_path):
    state = tmp_path / "sandbox.jsonl"
    async with open_desk(options(state=state)) as desk:
        await desk.accepted()
    whole = state.read_bytes()
    state.write_bytes(whole + b'{"event":"accep')
    async with open_desk(options(state=state)) as desk:
        assert (await desk.audit())["accepted"] == 1
        await desk.accepted()
    assert all(json.loads(line) for line in state.read_text().splitlines())


def test_a_file_that_is_no_state_file_is_left_alone(tmp_path):
    state = tmp_path / "notes.txt"
    state.write_text("Buy milk.\n")
    with pytest.raises(SettingsError, match=r"notes\.txt is no sandbox state file"):
        create_app(options(state=state))
    assert state.read_text() == "Buy milk.\n"


async def test_only_its_owner_may_read_the_state(tmp_path):
    state = tmp_path / "sandbox.jsonl"
    async with open_desk(options(state=state)) as desk:
        await desk.accepted(VIDEO)
        assert desk.clock.now == START
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
