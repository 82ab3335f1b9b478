"""Crash points: named places at which a test lets the process die, as a power cut would.

Or fall asleep, as a suspended machine does, until it is woken from outside.

They lie before and after every commit and every request. Nothing happens at them unless one was
armed, which only tests do.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field


@dataclass(kw_only=True, slots=True)
class _Armed:
    #: Where to die; None for nowhere.
    name: str | None = None
    #: How many passes are left until then.
    passes: int = 0
    #: What the process sends itself there.
    signal: signal.Signals = signal.SIGKILL
    #: Where to write down each point that is passed; None for nowhere.
    log: str | None = None
    known: set[str] = field(default_factory=set)


_armed = _Armed()


def arm(name: str, *, passes: int = 1) -> None:
    """Let the process die the `passes`th time that it comes to the point `name`."""
    _armed.name, _armed.passes, _armed.signal = name, passes, signal.SIGKILL


def arm_sleep(name: str, *, passes: int = 1) -> None:
    """Let the process stop there instead, once; SIGCONT wakes it."""
    _armed.name, _armed.passes, _armed.signal = name, passes, signal.SIGSTOP


def record_to(path: str) -> None:
    """Append the name of each point to a file when it is first passed."""
    _armed.log = path


def crash_point(name: str) -> None:
    """Die here if a test wants it."""
    if _armed.log is not None and name not in _armed.known:
        _armed.known.add(name)
        with open(_armed.log, "a", encoding="utf-8") as log:  # noqa: PTH123
            log.write(name + "\n")
    if _armed.name != name:
        return
    _armed.passes -= 1
    if _armed.passes <= 0:
        _armed.name = None
        os.kill(os.getpid(), _armed.signal)
