"""A run through Prefect in a folder that lays traps for it."""

from __future__ import annotations

import shutil

import pytest
from clips import Clips
from command import Shell
from prefect_server import running_prefect

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("prefect"), pytest.mark.timeout(400)]

#: Whoever reads this configuration of logging makes a folder.
LOGGING = """
version: 1
disable_existing_loggers: false
handlers:
  trap: {{"()": os.mkdir, path: {trap}}}
loggers:
  prefect: {{handlers: [trap]}}
"""


def test_a_run_through_prefect_runs_nothing_that_lies_in_the_folder(
    tmp_path, tmp_path_factory, clips: Clips
):
    (tmp_path / "films").mkdir()
    film = clips.make("logs.mp4", "-f", "lavfi", "-i", "testsrc=duration=1:size=64x64")
    shutil.copy(film, tmp_path / "films")
    traps = tmp_path / "traps"
    traps.mkdir()
    for name in ("uvicorn", "av", "httpx", "prefect", "psutil", "yaml"):
        trap = f"import os\nos.makedirs({str(traps / name)!r}, exist_ok=True)\n"
        (tmp_path / f"{name}.py").write_text(trap)
    evil = tmp_path / "evil.yml"
    evil.write_text(LOGGING.format(trap=traps / "logging"))
    (tmp_path / ".env").write_text(f"PREFECT_LOGGING_SETTINGS_PATH={evil}\n")
    (tmp_path / "prefect.toml").write_text(f'[logging]\nsettings_path = "{evil}"\n')
    (tmp_path / "pyproject.toml").write_text(f'[tool.prefect.logging]\nsettings_path = "{evil}"\n')

    with running_prefect(tmp_path_factory.mktemp("elsewhere")) as server:
        shell = Shell(folder=tmp_path).having(
            PREFECT_API_URL=server.url, PREFECT_HOME=str(server.folder)
        )
        ended = shell("run", "films", "--provider", "offline", "--prefect", "--json")

    assert ended.code == 0, ended.err
    assert ended.report["analyses"]["completed"] == 2
    assert [path.name for path in traps.iterdir()] == []
