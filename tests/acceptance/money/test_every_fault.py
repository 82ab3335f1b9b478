"""No way to misbehave is left without a test of whole runs that names it."""

from __future__ import annotations

import re
from pathlib import Path

from tasks.sandbox.faults import Fault

HERE = Path(__file__).parent


def test_every_fault_of_the_sandbox_is_named_by_a_test_of_whole_runs():
    sources = [path.read_text() for path in sorted(HERE.glob("test_faults_*.py"))]
    named = {name for text in sources for name in re.findall(r"\bFault\.([A-Z0-9_]+)", text)}
    assert named == {fault.name for fault in Fault}
