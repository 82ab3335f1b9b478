"""The end of this process: what a library still has to tell at its exit cannot hold it up."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress

#: Prefect sends its last logs and events at exit, and stops a server that it started.
_PATIENCE_SECONDS = 3.0


def exit_in_time(code: int) -> None:
    """Let this process end with `code` within seconds from now, if Prefect was used in it.

    Prefect waits at exit for a server that may have died; what is in the catalog is whole by now.
    """
    if "prefect" in sys.modules:
        threading.Thread(target=_exit, args=[code], daemon=True).start()


def _exit(code: int) -> None:
    time.sleep(_PATIENCE_SECONDS)
    exit_now(code)


def exit_now(code: int) -> None:
    """End this process and its children at once."""
    import psutil

    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            child.kill()
    os._exit(code)
