"""Plays many histories at once, in processes that each fork their own providers and products."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import pickle
import selectors
import signal
import struct
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from chaos.history import Outcome, play
from chaos.kinds import Kind
from chaos.stage import Stage, set_stage
from pydantic import SecretStr
from sqlalchemy.orm import configure_mappers

from catalog.values import utc_now
from tasks.wavespeed.client import WaveSpeed

_LENGTH = struct.Struct("!I")


def play_all(
    seeds: Sequence[int], *, folder: Path, at_once: int, kinds: Sequence[Kind] = ()
) -> Iterator[Outcome]:
    """Play the history of every seed; gives each outcome as soon as it is there.

    Whatever failed is left in `folder` to be looked at.
    """
    stage = set_stage(folder / "stage")
    _load()
    gc.freeze()  # what is here already is shared by all who are forked from here
    players = [_start(seeds[number::at_once], stage, folder, kinds) for number in range(at_once)]
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as stack:
        stack.callback(stage.close)
        for pid, pipe in players:
            stack.callback(_end, pid)
            selector.register(stack.enter_context(pipe), selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select():
                outcome = _receive(key.fileobj)
                if outcome is None:
                    selector.unregister(key.fileobj)
                else:
                    yield outcome
    if not stage.untouched():
        raise AssertionError("A history changed the original videos.")


def _load() -> None:
    """Load what every process would load for itself: most of a short process's time."""
    for late in ("anyio._backends._asyncio", "encodings.idna", "h2", "tasks.storage.web"):
        importlib.import_module(late)
    WaveSpeed(api_key=SecretStr("wsk_chaos"), now=utc_now)
    configure_mappers()


def _start(
    seeds: Sequence[int], stage: Stage, folder: Path, kinds: Sequence[Kind]
) -> tuple[int, BinaryIO]:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, os.fdopen(reading, "rb", buffering=0)
    os.close(reading)
    try:
        for seed in seeds:
            _send(writing, _played(seed, stage, folder, kinds))
    finally:
        os._exit(0)


def _played(seed: int, stage: Stage, folder: Path, kinds: Sequence[Kind]) -> Outcome:
    try:
        return play(seed, stage, folder / f"history-{seed}", kinds)
    except Exception:  # noqa: BLE001 - a mistake here must not pass for a history that went well
        return Outcome(seed=seed, bugs=[traceback.format_exc()])


def _send(pipe: int, outcome: Outcome) -> None:
    content = pickle.dumps(outcome)
    left = memoryview(_LENGTH.pack(len(content)) + content)
    while left:
        left = left[os.write(pipe, left) :]


def _receive(pipe: BinaryIO) -> Outcome | None:
    head = _exactly(pipe, _LENGTH.size)
    return None if head is None else pickle.loads(_exactly(pipe, *_LENGTH.unpack(head)) or b"")


def _exactly(pipe: BinaryIO, size: int) -> bytes | None:
    content = b""
    while len(content) < size:
        piece = pipe.read(size - len(content))
        if not piece:
            return None
        content += piece
    return content


def _end(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)
