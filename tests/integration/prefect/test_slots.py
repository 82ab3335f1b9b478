"""Tags of steps: a person's limit holds, and a server that is too busy for slots costs nothing."""

from __future__ import annotations

import shutil
import signal

import pytest
from busy_proxy import busy_proxy
from command import PATIENCE_SECONDS, Shell, until
from prefect_server import running_prefect

from flows.pipeline.runner import Step

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("prefect"), pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_prefect(tmp_path_factory.mktemp("slots")) as running:
        yield running


@pytest.fixture
def shell(tmp_path, clips):
    (tmp_path / "films").mkdir()
    shutil.copy(clips["plain.mp4"], tmp_path / "films" / "boat.mp4")
    return Shell(folder=tmp_path)


RUN = ("run", "films", "--provider", "offline", "--task", "summary", "--prefect", "--json")


def task_runs(server):
    """Give the task runs of the latest flow run by their step, as far as the server has them."""
    latest = {"sort": "EXPECTED_START_TIME_DESC", "limit": 1}
    return {
        run["task_key"].split("-")[0]: run
        for flow_run in server.ask("POST", "/flow_runs/filter", latest)
        for run in server.task_runs(flow_run["id"])
    }


def test_every_task_run_has_the_tag_of_its_step(server, shell):
    ended = shell.having(PREFECT_API_URL=server.url)(*RUN)

    assert ended.report["analyses"]["completed"] == 1
    steps = {Step.DISCOVER, Step.PROBE, Step.PREDICT, Step.SETTLE}
    until(lambda: steps <= set(task_runs(server)), "the server has every task run")
    for step in steps:
        assert task_runs(server)[step]["tags"] == [step.value]


@pytest.mark.parametrize(
    "busy",
    [
        pytest.param("concurrency_limits", id="asked-whether-there-is-a-limit"),
        pytest.param("/increment", id="asked-for-a-slot"),
    ],
)
def test_a_server_that_is_too_busy_for_slots_fails_no_run(server, shell, busy):
    with busy_proxy(server.url, lambda line: busy in line) as proxy:
        ended = shell.having(PREFECT_API_URL=proxy.url, PREFECT_CLIENT_MAX_RETRIES="0")(*RUN)

    assert ended.code == 0, ended.err
    assert ended.report["status"] == "completed"
    assert ended.report["analyses"]["completed"] == 1
    assert proxy.refused


@pytest.fixture
def taken_slot(server):
    """A limit of one on the tag of what is bought, and somebody who has the slot."""
    body = {"tag": Step.PREDICT.value, "concurrency_limit": 1}
    server.ask("POST", "/concurrency_limits/", body)
    holder = "00000000-0000-0000-0000-000000000001"
    slot = {"names": [Step.PREDICT.value], "task_run_id": holder}
    server.ask("POST", "/concurrency_limits/increment", slot)
    yield lambda: server.ask(
        "POST", "/concurrency_limits/decrement", slot | {"occupancy_seconds": 1.0}
    )
    server.ask("DELETE", f"/concurrency_limits/tag/{Step.PREDICT.value}")


def waits_for_a_slot(server):
    """Whether all but the buying has begun."""
    runs = task_runs(server)
    waiting = runs.get(Step.PREDICT, {"state_type": ""})["state_type"] == "PENDING"
    probed = runs.get(Step.PROBE, {"state_type": ""})["state_type"] == "COMPLETED"
    return waiting and probed


def answered(shell):
    """Give the answers that the catalog holds."""
    analyses = [one for video in shell.export() for one in video["analyses"]]
    return [one for one in analyses if one["text"] is not None]


def test_a_limit_on_a_step_holds_until_there_is_a_slot(server, shell, taken_slot):
    with shell.having(PREFECT_API_URL=server.url).start(*RUN) as run:
        try:
            until(lambda: waits_for_a_slot(server), "what is to be bought waits")
            assert not answered(shell)
            taken_slot()
            out, err = run.communicate(timeout=PATIENCE_SECONDS)
        finally:
            run.kill()

    assert run.returncode == 0, err
    assert '"completed": 1' in out


def test_a_run_that_waits_for_a_slot_can_be_stopped(server, shell, taken_slot):
    with shell.having(PREFECT_API_URL=server.url).start(*RUN) as run:
        try:
            until(lambda: waits_for_a_slot(server), "what is to be bought waits")
            run.send_signal(signal.SIGTERM)
            out, err = run.communicate(timeout=PATIENCE_SECONDS)
        finally:
            run.kill()

    assert run.returncode == 130, err
    assert '"status": "interrupted"' in out
    assert not answered(shell)
