"""Tests of one server stay in one process, whatever pytest and pytest-xdist are installed."""

from __future__ import annotations

import os
import subprocess
import sys

GROUPED = """
import os, pathlib, pytest

@pytest.mark.parametrize("number", range(8))
@pytest.mark.xdist_group("{group}")
def test_where(number):
    with open("{group}.txt", "a") as where:
        where.write(os.environ["PYTEST_XDIST_WORKER"] + "\\n")
"""


def test_what_belongs_together_runs_in_one_process(tmp_path):
    for group in ("one", "other"):
        (tmp_path / f"test_{group}.py").write_text(GROUPED.format(group=group), "utf-8")
    subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "xdist", "-n", "2", "--dist=loadgroup"],
        cwd=tmp_path,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        check=True,
        capture_output=True,
        timeout=120,
    )
    for group in ("one", "other"):
        workers = (tmp_path / f"{group}.txt").read_text("utf-8").split()
        assert len(workers) == 8
        assert len(set(workers)) == 1
