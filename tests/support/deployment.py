"""What deployments need around them: a clone to be deployed from, a sandbox on a port."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prefect_server import PATIENCE_SECONDS
from repository import ROOT

from catalog.values import Clock, utc_now
from tasks.sandbox.options import SandboxOptions
from tasks.sandbox.server import RunningSandbox, running_sandbox
from tasks.sandbox.vision.describe import measure_duration, new_model


def make_clone(folder: Path) -> Path:
    """Copy into a folder what a clone has that deployments need."""
    for package in ("flows", "tasks", "catalog", "migrations"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("*.pyc"))
    for name in ("prefect.yaml", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    return folder


def write_settings(clone: Path, **settings: str) -> None:
    """Write the .env that the next runs read."""
    lines = [f"{name}={value}" for name, value in settings.items()]
    (clone / ".env").write_text("\n".join(lines))


@contextlib.contextmanager
def sandbox_on_a_port(
    options: SandboxOptions, *, clock: Clock = utc_now
) -> Iterator[RunningSandbox]:
    """The stand-in for the provider's API, with an event loop of its own."""
    ready: list[RunningSandbox] = []
    started, done = threading.Event(), threading.Event()

    async def keep() -> None:
        async with running_sandbox(
            options, model=new_model(), measure_duration=measure_duration, clock=clock
        ) as running:
            ready.append(running)
            started.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=lambda: asyncio.run(keep()))
    thread.start()
    try:
        assert started.wait(PATIENCE_SECONDS)
        yield ready[0]
    finally:
        done.set()
        thread.join()


def audit_of(sandbox: RunningSandbox) -> dict[str, Any]:
    return asyncio.run(sandbox.audit())
