"""What a user without a clone has: the wheel and what it depends on, nothing for development."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from command import plain_environment
from ping_switch import listening_switch
from prefect_server import running_prefect, running_worker, wait_for
from repository import PACKAGES, ROOT

# One installation serves all of these.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel"), pytest.mark.timeout(400)]

SERVICES = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text("utf-8"))["services"]
UNITS = ("reelcat.service", "reelcat.timer")

UV = shutil.which("uv", path=f"{ROOT / '.tools' / 'bin'}{os.pathsep}{os.environ['PATH']}")


def installed_without_development(environment: Path) -> subprocess.CompletedProcess[str]:
    """Build the wheel and install it as the lock file says; out of uv's cache if that has it."""
    command = [UV, "sync", "--locked", "--no-dev", "--no-editable", "--python", sys.executable]
    settings = plain_environment() | {"UV_PROJECT_ENVIRONMENT": str(environment)}
    for more in (["--offline"], []):
        done = subprocess.run(
            [*command, *more],
            cwd=ROOT,
            env=settings,
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode == 0:
            break
    return done


@dataclass(frozen=True, kw_only=True, slots=True)
class Installed:
    """An environment that holds the wheel, and a folder of somebody who has no clone."""

    bin: Path
    folder: Path
    environment: dict[str, str]

    def run(self, *command: str | Path, **environment: str) -> str:
        """Run a command of the environment in the folder; gives what it says, and no more."""
        done = subprocess.run(
            [self.bin / command[0], *command[1:]],
            cwd=self.folder,
            env=self.environment | environment,
            check=False,
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr) == (0, ""), (command, done.stdout, done.stderr)
        return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Installed:
    """The wheel is built and installed once."""
    if UV is None:
        pytest.skip("needs uv, which `make env` brings")
    bare = tmp_path_factory.mktemp("installed") / "bare"
    done = installed_without_development(bare)
    assert done.returncode == 0, done.stderr
    environment = plain_environment() | {"PATH": "/usr/bin:/bin", "PYTHONPATH": ""}
    folder = tmp_path_factory.mktemp("nights")
    return Installed(bin=bare / "bin", folder=folder, environment=environment)


def test_the_wheel_holds_the_packages_and_nothing_for_development(installed):
    [site] = installed.bin.parent.glob("lib/python*/site-packages")
    assert {path.name for path in site.glob("*") if path.name in {*PACKAGES, "migrations"}} == set(
        PACKAGES
    )
    assert (site / "catalog" / "_migrations" / "env.py").is_file()
    assert list((site / "catalog" / "_migrations" / "versions").glob("0001_*.py"))
    assert not (site / "pytest").exists()
    assert not (site / "swift").exists()


def test_the_demo_runs_from_the_wheel_and_tells_nobody(installed):
    with listening_switch() as switch:
        demo = installed.run("reelcat", "demo", REELCAT_PING_URL=switch.url)
    assert "described once" in demo
    [command] = set(re.findall(r"(\S+)/reelcat search lantern", demo))
    assert Path(command) == installed.bin
    catalog = "sqlite:///demo/reelcat.db"
    exported = installed.run("reelcat", "export", REELCAT_DATABASE_URL=catalog)
    assert len([json.loads(line) for line in exported.splitlines()]) == 10
    assert switch.heard == []


def test_what_init_writes_is_what_the_repository_has(installed):
    installed.run("reelcat", "init", "written", "--source", "demo/videos")
    written = {
        path.name: path.read_text("utf-8") for path in (installed.folder / "written").iterdir()
    }
    assert written["prefect.yaml"] == (ROOT / "prefect.yaml").read_text("utf-8")
    assert set(written) == {"prefect.yaml", ".env.example", "crontab", *UNITS}
    assert (
        f"ExecStart={installed.bin}/reelcat run {installed.folder}/demo/videos "
        in (written["reelcat.service"])
    )
    (line,) = [one for one in written["crontab"].splitlines() if not one.startswith("#")]
    assert f" cd {installed.folder}/written && {installed.bin}/reelcat run " in line


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_takes_the_units_of_an_installed_wheel(installed):
    installed.run("reelcat", "init", "units", "--source", "demo/videos")
    units = [str(installed.folder / "units" / name) for name in UNITS]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--recursive-errors=no", *units],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.timeout(900)
def test_a_deployment_of_the_wheel_runs_in_the_folder_that_init_made(installed, tmp_path, clips):
    """A server, a worker and `prefect deploy` of the same environment, and no clone anywhere."""
    nights, films = installed.folder / "deployed", installed.folder / "films"
    films.mkdir()
    shutil.copy(clips["plain.mp4"], films)
    installed.run("reelcat", "init", "deployed", "--source", "films")
    example = (nights / ".env.example").read_text("utf-8")
    (nights / ".env").write_text(f"{example}\nREELCAT_DATABASE_URL=sqlite:///reelcat.db\n")
    (nights / ".env").chmod(0o600)
    prefect = installed.bin / "prefect"
    quiet = {"PYTHONPATH": "", "PYTHONSAFEPATH": "1", "PATH": "/usr/bin:/bin"}
    with (
        running_prefect(tmp_path, command=prefect) as server,
        running_worker(
            server, cwd=tmp_path, log=tmp_path / "worker.log", environment=quiet, command=prefect
        ) as worker,
    ):
        wait_for(server, worker)
        # What the compose file has its service of this name do, in the place of the image's.
        subprocess.run(
            SERVICES["deploy"]["command"],
            cwd=nights,
            env=server.environment | quiet | {"PATH": f"{installed.bin}:/usr/bin:/bin"},
            check=True,
            capture_output=True,
        )
        nightly = server.deployment("catalog-videos/nightly")
        run = server.ended(server.start(nightly["id"]))
        assert run["state_type"] == "COMPLETED", worker.log.read_text()
    (video,) = (
        json.loads(line)
        for line in installed.run(
            "reelcat", "export", REELCAT_DATABASE_URL=f"sqlite:///{nights}/reelcat.db"
        ).splitlines()
    )
    assert [one["status"] for one in video["analyses"]] == ["completed", "completed"]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs the repository's history")
def test_it_is_a_tool_that_uv_installs_from_the_repository(tmp_path):
    if UV is None:
        pytest.skip("needs uv, which `make env` brings")
    own = plain_environment() | {
        "UV_TOOL_DIR": str(tmp_path / "tools"),
        "UV_TOOL_BIN_DIR": str(tmp_path / "bin"),
    }
    address = f"reelcat @ git+file://{ROOT}"
    asked = [UV, "tool", "install", "--with-executables-from", "prefect", address]
    done = subprocess.run(
        [*asked, "--python", sys.executable],
        cwd=tmp_path,
        env=own,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert {path.name for path in (tmp_path / "bin").iterdir()} == {"reelcat", "prefect"}
    helped = subprocess.run(
        [tmp_path / "bin" / "reelcat", "init", "nights"],
        cwd=tmp_path,
        env=plain_environment(),
        check=True,
        capture_output=True,
        text=True,
    )
    assert helped.stderr == ""
    unit = (tmp_path / "nights" / "reelcat.service").read_text("utf-8")
    assert re.search(
        rf"^ExecStart={tmp_path}/(bin|tools/reelcat/bin)/reelcat run ", unit, re.MULTILINE
    )


def test_the_wheel_is_never_published_by_accident():
    classifiers = importlib.metadata.metadata("reelcat").get_all("Classifier")
    assert "Private :: Do Not Upload" in classifiers
