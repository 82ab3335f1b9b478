"""Processes of this machine: who we are, and who still lives."""

from __future__ import annotations

import socket
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
