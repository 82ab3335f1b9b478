"""Standard streams and the end of the process.

Whatever the caller made of the streams, a command can write to them; and what a library still does
at the exit cannot hold it up.
"""

from __future__ import annotations

import io
import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

_STANDARD = (0, 1, 2)


def prepare_streams() -> None:
    """Have three open streams: what cannot be encoded is spelled out, and stderr never fails.

    Called before anything else is opened.
    """
    _fill_closed_descriptors()
    nothing = Path(os.devnull)
    sys.stdin = sys.stdin or nothing.open(encoding="utf-8")
    sys.stdout = sys.stdout or nothing.open("w", encoding="utf-8")
    sys.stderr = sys.stderr or nothing.open("w", encoding="utf-8")
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr = UnfailingStream(sys.stderr.detach(), encoding=sys.stderr.encoding)


class UnfailingStream(io.TextIOWrapper):
    """Messages to a person, who may have closed the window or filled the disk.

    What cannot be written is dropped: the work and its exit code do not depend on it.
    """

    def __init__(self, buffer: IO[bytes], *, encoding: str) -> None:
        super().__init__(buffer, encoding=encoding, errors="backslashreplace", line_buffering=True)

    def write(self, text: str, /) -> int:
        """Write, or drop it and all that follows."""
        try:
            return super().write(text)
        except OSError:
            drop_output(self)
            return len(text)

    def flush(self) -> None:
        """Flush, or drop what is left."""
        try:
            super().flush()
        except OSError:
            drop_output(self)


def drop_output(stream: IO[str]) -> None:
    """Let what is left in the stream's buffer, and whatever follows, go nowhere."""
    with suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, stream.fileno())
        os.close(nothing)


def _fill_closed_descriptors() -> None:
    """Open the null device in place of each closed standard stream.

    The next file to be opened would get the stream's number: the catalog, into which a library
    would then write its messages.
    """
    for number in _STANDARD:
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            os.dup2(opened, number)
            if opened != number:
                os.close(opened)
            os.set_inheritable(number, True)  # noqa: FBT003 - as the system has it


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
