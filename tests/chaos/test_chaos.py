"""A few histories of what `make chaos` plays a thousand of: no promise about money is broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from chaos.faultplans import CRASH_POINTS
from chaos.script import draw_script

HISTORIES = 16
TESTS = Path(__file__).parents[1]


def test_a_seed_always_tells_the_same_history():
    assert draw_script(7) == draw_script(7)
    assert draw_script(7) != draw_script(8)


@pytest.mark.slow
def test_money_survives_faults_kills_and_company():
    """In a process of its own: histories fork, and pytest has threads."""
    played = subprocess.run(
        [sys.executable, "-m", "chaos", "--histories", str(HISTORIES), "--json"],
        env={"PYTHONPATH": os.pathsep.join([str(TESTS / "support"), str(TESTS)]), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        cwd=TESTS.parent,
    )
    assert played.returncode == 0, played.stdout + played.stderr
    found = json.loads(played.stdout)
    assert found["histories"] == HISTORIES
    assert found["accepted"] > 0
    assert found["killed at a named crash point"] > 0
    assert len(CRASH_POINTS) > 60
