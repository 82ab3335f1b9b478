"""The sandbox on a port: real resets and stalls, signals, threads and processes."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import signal
import socket
import subprocess
import sys

import httpx
import pytest
from sandbox_client import SUBMIT, VIDEO, Desk, HandClock, describe, measure, options

from catalog.errors import SettingsError
from tasks.sandbox.faults import Fault, FaultPlan, Scripted
from tasks.sandbox.options import SandboxOptions
from tasks.sandbox.server import Where, running_sandbox, serve

pytestmark = pytest.mark.anyio


@contextlib.asynccontextmanager
async def desk_on_a_port(chosen, *, patience=10.0, **parts):
    async with (
        running_sandbox(chosen, **parts) as sandbox,
        httpx.AsyncClient(
            base_url=sandbox.base_url,
            headers={"Authorization": f"Bearer {sandbox.api_key}"},
            timeout=patience,
            trust_env=False,
        ) as client,
    ):
        yield Desk(client, parts.get("clock")), sandbox


async def answer_of(desk, fault):
    """What the client sees of the one request that `fault` strikes."""
    if fault.startswith("submit"):
        return await desk.submit()
    if fault.startswith("poll"):
        return await desk.poll(await desk.accepted())
    if fault.startswith("list"):
        return await desk.list()
    if fault.startswith("ticket"):
        return await desk.ticket(5)
    ticket = (await desk.ticket(5)).json()["data"]
    async with httpx.AsyncClient(trust_env=False, timeout=1) as bare:
        upload = ticket["upload"]
        return await bare.put(upload["url"], content=b"12345", headers=upload["headers"])


RESETS = [
    Fault.SUBMIT_DROPPED_RESET,
    Fault.SUBMIT_LOST_RESET,
    Fault.POLL_RESET,
    Fault.LIST_RESET,
    Fault.TICKET_RESET,
    Fault.PUT_RESET,
    Fault.PUT_LOST_RESET,
]
STALLS = [
    Fault.SUBMIT_DROPPED_STALL,
    Fault.SUBMIT_LOST_STALL,
    Fault.POLL_STALL,
    Fault.PUT_LOST_STALL,
]
CUTS = [Fault.SUBMIT_LOST_CUT_BODY, Fault.POLL_CUT_BODY]


@pytest.mark.parametrize("fault", RESETS)
async def test_a_reset_is_a_real_one(fault):
    async with desk_on_a_port(options(fault)) as (desk, _):
        with pytest.raises((httpx.ReadError, httpx.WriteError)):
            await answer_of(desk, fault)
        assert (await desk.audit())["faults"] == {fault: 1}
        assert (await desk.submit()).status_code == 200


@pytest.mark.parametrize("fault", STALLS)
async def test_a_stalled_answer_runs_into_the_clients_timeout(fault):
    async with desk_on_a_port(options(fault), patience=1) as (desk, _):
        with pytest.raises(httpx.ReadTimeout):
            await answer_of(desk, fault)
        assert (await desk.submit()).status_code == 200


@pytest.mark.parametrize("fault", CUTS)
async def test_a_cut_answer_ends_in_the_middle(fault):
    async with desk_on_a_port(options(fault)) as (desk, _):
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            await answer_of(desk, fault)
        assert (await desk.audit())["faults"] == {fault: 1}


async def test_a_stall_ends_in_a_reset_at_last():
    async with desk_on_a_port(options(Fault.POLL_STALL, stall_seconds=0.05)) as (desk, _):
        with pytest.raises(httpx.ReadError):
            await answer_of(desk, Fault.POLL_STALL)


async def test_a_slow_answer_comes_in_pieces_and_whole():
    async with desk_on_a_port(options(Fault.POLL_SLOW_BODY)) as (desk, _):
        id_ = await desk.accepted()
        async with desk.client.stream("GET", f"/api/v3/predictions/{id_}/result") as answer:
            pieces = [piece async for piece in answer.aiter_raw()]
    assert len(pieces) > 1
    assert b"completed" in b"".join(pieces)


def test_the_faults_that_differ_on_a_port_are_all_tried():
    named = {
        fault for fault in Fault if fault.endswith(("-reset", "-stall", "-cut-body", "-slow-body"))
    }
    assert named == {*RESETS, *STALLS, *CUTS, Fault.POLL_SLOW_BODY}


async def test_in_a_thread_the_sandbox_shares_the_callers_clock():
    clock = HandClock()
    steady = {"latency_scale": 1, "latency_mean_seconds": 10, "latency_sigma": 0}
    async with desk_on_a_port(options(**steady), clock=clock) as (desk, _):
        id_ = await desk.accepted()
        clock.advance(10)
        assert (await desk.polled(id_))["status"] == "completed"


async def test_in_a_process_the_sandbox_describes_and_can_be_told_what_goes_wrong():
    faults = FaultPlan(script=(Scripted(fault=Fault.BALANCE_500),))
    chosen = SandboxOptions(latency_scale=0, control=True, faults=faults)
    parts = {"model": describe, "measure_duration": measure, "where": Where.PROCESS}
    async with desk_on_a_port(chosen, **parts) as (desk, sandbox):
        id_ = await desk.accepted(await desk.uploaded(b"7.5 seconds"), task="summary")
        await desk.ended(id_)
        assert (await desk.client.get("/api/v3/balance")).status_code == 500
        [row] = await sandbox.predictions()
        assert (row["id"], row["price_micros"], row["duration_seconds"]) == (id_, 10_000, "7.5")
        await sandbox.set_faults(Scripted(fault=Fault.SUBMIT_503))
        assert (await desk.submit()).status_code == 503
        await sandbox.set_balance(0)
        assert (await desk.submit()).status_code == 402
        await sandbox.set_balance(1_000_000)
        await sandbox.advance(7 * 86_400)
        assert (await desk.poll(id_)).status_code == 404
        assert (await sandbox.audit())["unread_at_expiry"] == 0


async def test_many_clients_at_once_are_all_answered():
    async with desk_on_a_port(options()) as (desk, sandbox):
        videos = [f"https://v.example/{number}.mp4" for number in range(100)]
        ids = await asyncio.gather(*(desk.accepted(video) for video in videos))
        await asyncio.gather(*(desk.polled(id_) for id_ in ids))
        audit = await sandbox.audit()
    assert (audit["accepted"], audit["unread"], audit["duplicates"]) == (100, 0, 0)
    assert audit["billed_micros"] == 100 * 10_000


async def test_files_are_never_opened_on_a_port():
    allowed = SandboxOptions(allow_files=True)
    with pytest.raises(SettingsError, match="files"):
        async with running_sandbox(allowed, model=describe, measure_duration=measure):
            pass
    with pytest.raises(SettingsError, match="files"):
        serve(allowed, port=0, model=describe, measure_duration=measure)


def test_a_taken_port_is_said_in_one_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"Port {port} .* Choose another"):
            serve(options(), port=port, announce=io.StringIO())


SERVE = """
from tasks.sandbox.options import Mode, SandboxOptions
from tasks.sandbox.server import serve
serve(SandboxOptions(mode=Mode.CANNED, latency_scale=0), port=0)
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_serving_says_how_to_use_it_and_stops_cleanly(how):
    with subprocess.Popen(
        [sys.executable, "-c", SERVE], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        said = ""
        while "Ctrl-C" not in said:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            said += line
        url = said.partition("WAVESPEED_BASE_URL=")[2].split()[0]
        key = said.partition("WAVESPEED_API_KEY=")[2].split()[0]
        headers = {"Authorization": f"Bearer {key}"}
        with httpx.Client(trust_env=False, headers=headers) as client:
            assert client.post(url + SUBMIT, json={"video": VIDEO}).status_code == 200
            assert client.get(f"{url}/audit").json()["accepted"] == 1
        os.kill(process.pid, how)
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
