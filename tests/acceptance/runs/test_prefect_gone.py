"""A Prefect server that dies or falls silent in mid-run costs its record of the run, no more."""

from __future__ import annotations

import signal
import sqlite3
import subprocess

import psutil
import pytest
from command import PATIENCE_SECONDS, REELCAT, Shell, sandbox_of, until
from prefect_server import running_prefect

pytestmark = pytest.mark.slow


@pytest.mark.timeout(4 * PATIENCE_SECONDS)
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
def test_a_prefect_server_that_is_gone_does_not_hold_up_the_end(tmp_path, clips, end):
    films = tmp_path / "films"
    films.mkdir()
    for number in range(3):
        film = films / f"boat-{number}.mp4"
        film.write_bytes(clips["plain.mp4"].read_bytes() + bytes([number]) * 9)
    shell = Shell(folder=tmp_path)
    with (
        running_prefect(tmp_path) as server,
        sandbox_of(shell, "--scale", "0.2") as sandbox,
        subprocess.Popen(
            [REELCAT, "run", "films", "--budget", "1", "--json"],
            cwd=tmp_path,
            env={
                **shell.environment,
                **sandbox.environment(),
                "PREFECT_API_URL": server.url,
                "PREFECT_HOME": str(server.folder),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as run,
    ):
        until(sandbox.predictions, "something is bought")
        family = [
            one
            for one in psutil.Process().children(recursive=True)
            if str(server.folder) == one.environ().get("PREFECT_HOME")
            and one.pid != run.pid
            and run.pid not in {parent.pid for parent in one.parents()}
        ]
        assert family
        try:
            for one in family:
                one.send_signal(end)
            # A server that is silent is waited for by Prefect itself for much longer than this.
            out, err = run.communicate(timeout=PATIENCE_SECONDS)
        finally:
            run.kill()
            for one in family:
                if one.is_running():
                    one.send_signal(signal.SIGCONT)
        assert run.returncode == 0, err
        assert "Traceback" not in err
        assert '"status": "completed"' in out
        bought = sandbox.predictions()
    assert len(bought) == 6
    with sqlite3.connect(tmp_path / "reelcat.db") as catalog:
        rows = catalog.execute("SELECT status, count(*) FROM predictions GROUP BY status")
        assert rows.fetchall() == [("completed", 6)]
        assert catalog.execute(
            "SELECT count(*) FROM runs WHERE finished_at IS NULL"
        ).fetchone() == (0,)
