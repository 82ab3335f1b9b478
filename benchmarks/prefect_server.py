"""A Prefect server to measure against, in a folder of its own and gone afterwards."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

_PATIENCE_SECONDS = 120


@dataclass(frozen=True, kw_only=True)
class PrefectServer:
    """One that runs."""

    #: What a process needs in its environment to find it.
    surroundings: dict[str, str]
    pid: int

    def cpu_seconds(self) -> float:
        """Processor time that it and its children have taken so far."""
        server = psutil.Process(self.pid)
        times = [one.cpu_times() for one in (server, *server.children(recursive=True))]
        return sum(one.user + one.system for one in times)


@contextlib.contextmanager
def prefect_server() -> Iterator[PrefectServer]:
    """Start one on SQLite, as it comes."""
    with tempfile.TemporaryDirectory(prefix="reelcat-bench-") as home:
        port = _free_port()
        ours = {
            "PREFECT_HOME": home,
            "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "PREFECT_LOGGING_LEVEL": "ERROR",
        }
        server = subprocess.Popen(
            [Path(sys.executable).with_name("prefect"), "server", "start", "--port", str(port)],
            env=os.environ | ours,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_for(f"{ours['PREFECT_API_URL']}/health")
            yield PrefectServer(surroundings=ours, pid=server.pid)
        finally:
            server.terminate()
            server.wait()


def _free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
