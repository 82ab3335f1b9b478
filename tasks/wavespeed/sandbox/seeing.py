"""What the sandbox sees with: FFmpeg's measurements in place of a model."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

from catalog.values import Listing, Task
from tasks.media.describing.describer import Describer
from tasks.media.inspecting import InspectOptions, engines_for, inspect
from tasks.media.tags import Whereabouts
from tasks.storage.stores import Stores
from tasks.wavespeed.sandbox.work import Model


def new_model() -> Model:
    """Make a model that describes what can be measured, and measures each video once."""
    describer = Describer()

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
    inspection = inspect(
        listing,
        reader=Stores().reader(listing.uri),
        engines=engines_for(InspectOptions()),
        whereabouts=Whereabouts.DROP,
    )
    return inspection.probe.duration_seconds
