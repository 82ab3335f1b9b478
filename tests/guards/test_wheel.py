"""What a user without a clone has: the wheel and what it depends on, nothing for development."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command import plain_environment
from repository import PACKAGES, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

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


@pytest.mark.skipif(UV is None, reason="needs uv, which `make env` brings")
def test_the_demo_runs_from_the_wheel_without_development_dependencies(tmp_path):
    bare = tmp_path / "bare"
    done = installed_without_development(bare)
    assert done.returncode == 0, done.stderr
    [site] = bare.glob("lib/python*/site-packages")

    assert {path.name for path in site.glob("*") if path.name in {*PACKAGES, "migrations"}} == set(
        PACKAGES
    )
    assert (site / "catalog" / "_migrations" / "env.py").is_file()
    assert list((site / "catalog" / "_migrations" / "versions").glob("0001_*.py"))
    assert not (site / "pytest").exists()
    assert not (site / "swift").exists()

    demo = subprocess.run(
        [bare / "bin" / "reelcat", "demo"],
        cwd=tmp_path,
        env=plain_environment() | {"PATH": "/usr/bin:/bin", "PYTHONPATH": ""},
        check=False,
        capture_output=True,
        text=True,
    )

    assert (demo.returncode, demo.stderr) == (0, "")
    assert "described once" in demo.stdout
    direct = re.findall(r"(\S+)/reelcat search lantern", demo.stdout)
    assert direct == ["bare/bin"]
    exported = subprocess.run(
        [bare / "bin" / "reelcat", "export"],
        cwd=tmp_path,
        env=plain_environment()
        | {"REELCAT_DATABASE_URL": "sqlite:///demo/reelcat.db", "PYTHONPATH": ""},
        check=True,
        capture_output=True,
        text=True,
    )
    assert len([json.loads(line) for line in exported.stdout.splitlines()]) == 10


def test_the_wheel_is_never_published_by_accident():
    classifiers = importlib.metadata.metadata("reelcat").get_all("Classifier")
    assert "Private :: Do Not Upload" in classifiers
