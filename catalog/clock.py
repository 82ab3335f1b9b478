"""The one place that asks what time it is; everything else is told."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Give the present, aware, in UTC."""
    return datetime.now(UTC)


def uptime() -> float:
    """Give seconds that only run forward, and also while the machine sleeps where it tells."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
