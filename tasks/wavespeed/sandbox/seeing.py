"""What the sandbox sees with: FFmpeg's measurements by child processes, in place of a model."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

from catalog.values import Listing, Task
from tasks.media.describing.describer import Describer
from tasks.media.describing.pool import MeasuringPool
from tasks.media.describing.signals import NotDescribable
from tasks.storage.per_process import PerProcess
from tasks.wavespeed.sandbox.work import Model

#: For all sandboxes of this process, and as long as it lasts.
_pool = PerProcess(MeasuringPool)


def new_model() -> Model:
    """Make a model that describes what can be measured, and measures each video once."""
    describer = Describer(measuring=lambda path: _pool.get().measure(path))

    def describe(path: str, task: str, instructions: str | None) -> str:
        found = os.stat(path)  # noqa: PTH116 - a path of any spelling
        # Not the path: it may be that of a descriptor, which leads to another file tomorrow.
        identity = f"{found.st_dev} {found.st_ino} {found.st_size} {found.st_ctime_ns}"
        return describer.describe(identity, path, Task(task), instructions)

    return describe


def measure_duration(path: str) -> Decimal | None:
    """Give the seconds of the video at `path`, as probing measures them; None if it cannot."""
    location = Path(path).absolute()
    status = location.stat()
    listing = Listing(
        uri=location.as_uri(),
        name=location.name,
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
    )
    try:
        return _pool.get().inspect(listing).probe.duration_seconds
    except NotDescribable:
        return None
