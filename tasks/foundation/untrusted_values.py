"""Numbers, times and JSON that strangers wrote, bounded before they are read.

`1e999999999` takes for ever to become an integer, and a thousand brackets more memory than they are
long. What is beyond the bounds reads as None, like everything that makes no sense.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import Any

#: What a column of 64 bits holds.
MOST_INTEGER = 2**63 - 1

_MOST_DIGITS = len(str(MOST_INTEGER))
#: Digits, point and exponent of a number that may be money.
_MOST_NUMBER = 64
#: Beyond 10 to this power, either way, nothing that is read here lies.
_MOST_POWER = 30
_MOST_NESTING = 64
_MOST_TIME = 64
#: What the catalog keeps of an ETag.
MOST_ETAG = 255
#: With a margin, so that adding and subtracting spans of time stays within the calendar.
_FIRST_YEAR, _LAST_YEAR = 1900, 2200

#: What may become text that no database and no encoding takes.
_MAY_BE_UNSTORABLE = re.compile(r"\\u(?:0000|d[89a-f])", re.IGNORECASE)


class _Refused(ValueError):
    """JSON that two readers would read differently, or that is nested too deeply."""


def read_json(data: bytes | str, *, as_written: bool = False) -> Any:
    """What the data say as JSON, fit to be stored; None if they are not JSON or out of bounds.

    Numbers with a fraction are Decimal; numbers out of bounds, NaN and Infinity are None. Halves of
    surrogate pairs and NULs are replaced, unless texts are wanted `as_written`. An object that has
    a name twice is refused, as readers differ in what it says.

    >>> read_json(b'{"a": [1, 0.5, 1e999999999, NaN]}')
    {'a': [1, Decimal('0.5'), None, None]}
    """
    try:
        text = data if isinstance(data, str) else data.decode("utf-8-sig")
        value = json.loads(
            text,
            parse_int=integer_in,
            parse_float=decimal_in,
            parse_constant=lambda _: None,
            object_pairs_hook=_object,
        )
        unsafe = not as_written and _MAY_BE_UNSTORABLE.search(text)
        if unsafe or text.count("[") + text.count("{") > _MOST_NESTING:
            storable_value = _storable(value, _MOST_NESTING)
            return storable_value if unsafe else value
    except (ValueError, RecursionError):
        return None
    return value


def integer_in(text: str) -> int | None:
    """The integer of at most 64 bits that a text is; None for everything else.

    >>> integer_in("-12"), integer_in("9" * 5000), integer_in("1_0"), integer_in("")
    (-12, None, None, None)
    """
    digits = text[1:] if text[:1] in {"-", "+"} else text
    if len(digits) > _MOST_DIGITS or not (digits.isascii() and digits.isdecimal()):
        return None
    number = int(text)
    return number if -MOST_INTEGER <= number <= MOST_INTEGER else None


def decimal_in(text: str) -> Decimal | None:
    """The finite number that a text is, of ordinary length and size; None for everything else.

    >>> decimal_in("0.015"), decimal_in("1e999999999"), decimal_in("1e-999999999"), decimal_in("no")
    (Decimal('0.015'), None, Decimal('0'), None)
    """
    if len(text) > _MOST_NUMBER:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return ordinary(number)


def ordinary(number: Decimal) -> Decimal | None:
    """The number if it is finite and not huge, so that reckoning with it takes no time.

    One that is as good as zero is zero, as everywhere where numbers end somewhere.
    """
    if not number.is_finite():
        return None
    if not number or number.adjusted() < -_MOST_POWER:
        return Decimal(0)
    return number if number.adjusted() <= _MOST_POWER else None


def time_in(text: str) -> datetime | None:
    """The RFC 3339 time that a text is, in UTC; None if it is none of this age.

    >>> time_in("2026-11-23T12:00:00Z").hour, time_in("9999-12-31T23:59:59-23:00")
    (12, None)
    """
    if len(text) > _MOST_TIME:
        return None
    try:
        return _of_this_age(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return None


def http_date(text: str) -> datetime | None:
    """The time of a `Date`, `Last-Modified` or `Retry-After`, in UTC; None if it is none.

    >>> http_date("Mon, 23 Nov 2026 08:00:00 GMT").day
    23
    >>> http_date("Mon, 23 Nov 999999999999 08:00:00 GMT") is None
    True
    """
    if not text or len(text) > _MOST_TIME:
        return None
    try:
        return _of_this_age(parsedate_to_datetime(text))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def nanoseconds_of(instant: datetime) -> int:
    """Whole seconds since the epoch as nanoseconds; 0, which is no time, where they do not fit."""
    try:
        found = int(instant.timestamp()) * 1_000_000_000
    except (ValueError, OverflowError, OSError):
        return 0
    return found if abs(found) <= MOST_INTEGER else 0


def short(text: str | None, most: int) -> str | None:
    """The text, if a column of so many characters holds it; None otherwise."""
    return text if text is not None and len(text) <= most and text == storable(text) else None


def storable(text: str) -> str:
    """The text without what databases refuse: NULs and halves of surrogate pairs."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    held = dict(pairs)
    if len(held) != len(pairs):
        raise _Refused
    return held


def _storable(value: Any, nesting: int) -> Any:
    if isinstance(value, str):
        return storable(value)
    if not isinstance(value, list | dict):
        return value
    if not nesting:
        raise _Refused
    if isinstance(value, list):
        return [_storable(held, nesting - 1) for held in value]
    return {storable(name): _storable(held, nesting - 1) for name, held in value.items()}


def _of_this_age(at: datetime) -> datetime | None:
    in_utc = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return in_utc if _FIRST_YEAR <= in_utc.year <= _LAST_YEAR else None
