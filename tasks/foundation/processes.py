"""Processes of this machine: who we are, who still lives, and what children import."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import psutil

from catalog.runs import Process


def this_process() -> Process:
    """Give this process, told apart from any other that ever had its number."""
    own = psutil.Process()
    return Process(host=host(), pid=own.pid, started_at=Decimal(str(own.create_time())))


def host() -> str:
    """Name this machine since it was last started, and in it the space whose processes we see.

    Containers may share a machine's name and start without seeing each other's processes.
    """
    space = Path("/proc/self/ns/pid")
    seen = f"/{space.readlink()}" if space.exists() else ""
    return f"{socket.gethostname()}/{int(psutil.boot_time()) // 60}{seen}"


def living() -> dict[int, Decimal]:
    """Give the start times, in seconds since the epoch, of the processes that live here."""
    return {
        process.pid: Decimal(str(process.info["create_time"]))
        for process in psutil.process_iter(["create_time", "status"])
        if process.info["create_time"] is not None
        and process.info.get("status") != psutil.STATUS_ZOMBIE
    }


_SAFE_PATH = "PYTHONSAFEPATH"
_lock = threading.Lock()
_wanted = 0
_before: str | None = None


@contextmanager
def not_from_the_current_folder() -> Iterator[None]:
    """Have Python children that begin meanwhile import nothing from the folder they begin in.

    It may be the archive, with a file in it that has a module's name. Children take it from the
    environment, which the whole process shares; it is as before once nobody wants it any more.
    """
    global _wanted, _before  # noqa: PLW0603 - the environment is there once a process
    with _lock:
        if not _wanted:
            _before = os.environ.get(_SAFE_PATH)
            os.environ[_SAFE_PATH] = "1"
        _wanted += 1
    try:
        yield
    finally:
        with _lock:
            _wanted -= 1
            if not _wanted and _before is None:
                os.environ.pop(_SAFE_PATH, None)
            elif not _wanted:
                os.environ[_SAFE_PATH] = _before or ""
