"""Who still lives on this machine: what decides whether a run's predictions may be taken over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from tasks.foundation.processes import living, this_process


def test_a_process_counts_as_living_under_the_start_time_it_gives_of_itself():
    own = this_process()
    assert living()[own.pid] == own.started_at


def test_a_process_that_nobody_has_reaped_is_dead():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert child.pid in living()
        child.send_signal(signal.SIGKILL)
        # It has ended, and stays in the table of processes until somebody waits for it.
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert child.pid not in living()
    finally:
        child.communicate()
