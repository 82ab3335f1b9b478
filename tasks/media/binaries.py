"""Where the ffmpeg and ffprobe binaries are, and whether the one that was found is any good.

A system's own come first; for ffmpeg, the one inside the imageio-ffmpeg wheel is the second choice.
There is no such second choice for ffprobe, and none is needed: PyAV probes without it.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from dataclasses import dataclass
from functools import cache

from tasks.media.confinement import clean_environment

VERSION_SECONDS = 20
VERSION_LINE = re.compile(r"^ff(?:mpeg|probe) version (\S+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Binary:
    """A program that was found."""

    path: str
    #: As it says itself; None if it would not say, and then it does not work.
    version: str | None


def find_ffmpeg(configured: str | None = None) -> Binary | None:
    """Return the configured ffmpeg, the system's, or the wheel's; None if there is none."""
    path = _executable(configured, "ffmpeg") or (None if configured else _bundled_ffmpeg())
    return Binary(path=path, version=version_of(path)) if path else None


def find_ffprobe(configured: str | None = None) -> Binary | None:
    """Return the configured ffprobe or the system's; None if there is none."""
    path = _executable(configured, "ffprobe")
    return Binary(path=path, version=version_of(path)) if path else None


@cache
def version_of(path: str) -> str | None:
    """Ask a binary for its version; None if it does not run."""
    try:
        done = subprocess.run(  # noqa: S603 - a program the user named or the system has
            [path, "-hide_banner", "-version"],
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=VERSION_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = VERSION_LINE.match(done.stdout.decode("utf-8", errors="replace"))
    return found[1] if found and done.returncode == 0 else None


def trouble_with(ffprobe: Binary) -> str | None:
    """Return a sentence that says what is wrong with an ffprobe and what to do; None if nothing.

    Static builds with an old C library crash on host names and on many transport streams: this one
    is asked for a closed port of this machine, which a sound build merely fails to reach.
    """
    if ffprobe.version is None:
        return "This ffprobe does not run; remove it or install another. PyAV probes without it."
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://localhost:{unused.getsockname()[1]}/"
        try:
            done = subprocess.run(  # noqa: S603 - a program the user named or the system has
                [ffprobe.path, "-v", "quiet", "-rw_timeout", "2000000", address],
                env=clean_environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=VERSION_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return "This ffprobe hangs; remove it or install another. PyAV probes without it."
    if done.returncode < 0:
        return (
            "This ffprobe is a static build that crashes on host names and on some camera files; "
            "remove it or install your system's. PyAV probes without it."
        )
    return None


def _executable(configured: str | None, name: str) -> str | None:
    # An entry that is empty or relative means the current folder, which may be a stranger's.
    entries = os.environ.get("PATH", os.defpath).split(os.pathsep)
    path = os.pathsep.join(one for one in entries if os.path.isabs(one))  # noqa: PTH117 - strings
    found = shutil.which(configured or name, path=path or os.devnull)
    return os.path.abspath(found) if found else None  # noqa: PTH100 - shutil speaks in strings


def _bundled_ffmpeg() -> str | None:
    import imageio_ffmpeg  # noqa: PLC0415 - only who needs a binary pays for looking

    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError:  # a platform without a wheel
        return None
