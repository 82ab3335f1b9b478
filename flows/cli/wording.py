"""How numbers, lengths, sizes and times are written for people, and by them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from catalog.errors import SettingsError

_SPAN = re.compile(r"(\d{1,5})\s*([dhm])", re.IGNORECASE)
_SPAN_SECONDS = {"d": 86_400, "h": 3_600, "m": 60}
_UNITS = ("KB", "MB", "GB", "TB", "PB")


def length(seconds: Decimal | None) -> str:
    """Write how long a video is.

    >>> length(Decimal("7.25")), length(Decimal("754")), length(Decimal("5025.9")), length(None)
    ('7.2 s', '12:34', '1:23:45', 'unknown')
    """
    if seconds is None:
        return "unknown"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size(count: int) -> str:
    """Write a number of bytes as disks are sold.

    >>> size(999), size(1500), size(2_340_000_000)
    ('999 bytes', '1.5 KB', '2.3 GB')
    """
    if count < 1000:
        return f"{count} bytes"
    amount, unit = count / 1000, 0
    while amount >= 999.95 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{amount:.1f} {_UNITS[unit]}"


def counted(count: int, one: str, many: str | None = None) -> str:
    """Write a count with its noun.

    >>> counted(1, "video"), counted(1200, "video"), counted(2, "analysis", "analyses")
    ('1 video', '1,200 videos', '2 analyses')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def when(at: datetime | None, zone: ZoneInfo) -> str:
    """Write a moment in the zone that budgets are counted in."""
    return "" if at is None else f"{at.astimezone(zone):%Y-%m-%d %H:%M %Z}"


def words(value: str) -> str:
    """Write an enum's value as words.

    >>> words("scene_description")
    'scene description'
    """
    return value.replace("_", " ")


def parse_span(text: str, *, setting: str) -> timedelta:
    """Read a length of time that a person wrote.

    Raises:
        SettingsError: naming `setting`, if it is none.

    >>> parse_span("8d", setting="--older-than"), parse_span("12 h", setting="--older-than")
    (datetime.timedelta(days=8), datetime.timedelta(seconds=43200))
    """
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise SettingsError(
            f"{setting} takes days, hours or minutes such as 8d, 12h or 90m, not {text!r}."
        )
    return timedelta(seconds=int(found[1]) * _SPAN_SECONDS[found[2].lower()])
