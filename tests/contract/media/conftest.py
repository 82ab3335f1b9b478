from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from catalog.values import Inspection
from tasks.media.engine import Engine
from tasks.media.ffprobe import Ffprobe
from tasks.media.inspect import inspect
from tasks.media.pyav import PyAv
from tasks.media.tags import Whereabouts
from tasks.storage.local import LocalReader
from tasks.storage.uris import file_uri

FFPROBE = shutil.which("ffprobe")
ENGINES: dict[str, Engine] = {"pyav": PyAv()}
if FFPROBE:
    ENGINES["ffprobe"] = Ffprobe(FFPROBE)

Look = Callable[[Path], Inspection]


@pytest.fixture(params=ENGINES)
def engine(request) -> Engine:
    """Each engine that this machine has; the suite is the same for all."""
    return ENGINES[request.param]


@pytest.fixture
def look(engine) -> Look:
    """Inspect a local file with one engine."""

    def _look(path: Path, whereabouts: Whereabouts = Whereabouts.DROP) -> Inspection:
        reader = LocalReader()
        listing = reader.look(file_uri(path))
        return inspect(listing, reader=reader, engines=[engine], whereabouts=whereabouts)

    return _look
