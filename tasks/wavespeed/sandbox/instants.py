"""Moments as integer nanoseconds since 1970, and how the API writes and reads them.

Integers keep the nine fractional digits of the provider's times and compare exactly.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

SECOND = 1_000_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))"
)


def nanoseconds(moment: datetime) -> int:
    """Give an aware `moment` as nanoseconds since 1970."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * SECOND + since.microseconds * 1_000


def span(seconds: float | Decimal) -> int:
    """Give a length in seconds as nanoseconds."""
    return int(seconds * SECOND)


def moment(at_ns: int) -> datetime:
    """Give nanoseconds since 1970 as an aware UTC time, cut to microseconds."""
    return _EPOCH + timedelta(microseconds=at_ns // 1_000)


def rfc3339(at_ns: int) -> str:
    """Write a moment as the provider does, in UTC with nine fractional digits.

    >>> rfc3339(1_000_000_001)
    '1970-01-01T00:00:01.000000001Z'
    """
    whole, fraction = divmod(at_ns, SECOND)
    return f"{moment(whole * SECOND):%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"


def parse_rfc3339(text: str) -> int | None:
    """Read a strict RFC 3339 time as nanoseconds; None when it is not one.

    >>> parse_rfc3339("1970-01-01T00:00:01.5Z"), parse_rfc3339("1970-01-01")
    (1500000000, None)
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        return None
    *whole, fraction, sign, hours, minutes = match.groups()
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    try:
        zone = timezone(-offset if sign == "-" else offset)
        year, month, day, hour, minute, second = (int(part) for part in whole)
        read = datetime(year, month, day, hour, minute, second, tzinfo=zone)
    except ValueError:
        return None
    return nanoseconds(read) + int((fraction or "").ljust(9, "0"))
