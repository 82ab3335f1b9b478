"""Prefect's page shows the events of a run beside its own lines."""

from __future__ import annotations

import shutil

import pytest
from clips import Clips
from command import Shell
from prefect_server import running_prefect, until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("prefect"), pytest.mark.timeout(400)]


def test_the_log_of_a_flow_run_has_the_events_of_its_run(tmp_path, clips: Clips):
    (tmp_path / "films").mkdir()
    film = clips.make("logs.mp4", "-f", "lavfi", "-i", "testsrc=duration=1:size=64x64")
    shutil.copy(film, tmp_path / "films")
    with running_prefect(tmp_path) as server:
        shell = Shell(folder=tmp_path).having(PREFECT_API_URL=server.url)
        ended = shell("run", "films", "--provider", "offline", "--prefect", "--json")
        assert ended.code == 0, ended.err

        def told() -> list[str]:
            return [one["message"] for one in server.ask("POST", "/logs/filter", {})]

        until(lambda: any("run.ended" in line for line in told()), "the log is there")
        run_id = ended.report["run_id"]
        (started,) = [line for line in told() if line.startswith("run.started")]
        assert f"run={run_id}" in started
        assert any(line.startswith(f"batch.probed run={run_id}") for line in told())
