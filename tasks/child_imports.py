"""Where children of this process import from while they begin, before they know our path."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

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
