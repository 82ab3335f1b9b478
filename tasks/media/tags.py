"""What a file's own labels are worth keeping: bounded, readable, and without where it was filmed.

Pure. Labels come from strangers, so nothing in them is trusted to be short, text or true.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from datetime import UTC, datetime

MOST_TAGS = 32
MOST_KEY_CHARACTERS = 64
MOST_VALUE_CHARACTERS = 500

#: Said better elsewhere, or of use to nobody but a muxer.
TECHNICAL = frozenset(
    (
        *("major_brand", "minor_version", "compatible_brands", "encoder", "handler_name"),
        *("vendor_id", "language", "duration", "creation_time", "creationdate", "timecode"),
        *("isvbr", "devicetype", "metadatacreator", "hasvideo", "hasaudio", "hasmetadata"),
    )
)
VENDOR_PREFIXES = ("com.apple.quicktime.", "com.apple.", "com.")
LOCATION_WORDS = ("location", "gps", "xyz", "latitude", "longitude", "geo")
#: ISO 6709, as phones write it: +32.0929+034.8620+028.516/
COORDINATES = re.compile(r"[+-]\d{2,3}(\.\d+)?[+-]\d{3}(\.\d+)?")

MOMENT_KEYS = ("com.apple.quicktime.creationdate", "creation_time")
#: No container of ours is older; zeroes mean 1904, 1970 or 1980, all ones 2036 to 2040.
FIRST_YEAR, LAST_YEAR = 1990, 2035


class Whereabouts(enum.StrEnum):
    """Whether labels that say where something was filmed are kept."""

    DROP = "drop"
    KEEP = "keep"


def kept_tags(tags: Mapping[str, str], whereabouts: Whereabouts) -> dict[str, str]:
    """Return the labels worth keeping, with short lower-case keys, in the file's order.

    >>> kept_tags({"com.apple.quicktime.make": "Apple", "major_brand": "qt  "}, Whereabouts.DROP)
    {'make': 'Apple'}
    """
    kept: dict[str, str] = {}
    for raw_key, raw_value in tags.items():
        key, value = _short_key(raw_key), _text(raw_value, MOST_VALUE_CHARACTERS)
        if not key or not value or key in TECHNICAL or key in kept:
            continue
        if whereabouts is Whereabouts.DROP and _tells_where(key, raw_value):
            continue
        kept[key] = value
        if len(kept) == MOST_TAGS:
            break
    return kept


def recorded_at(*sources: Mapping[str, str]) -> datetime | None:
    """Return when it was recorded, in UTC; the first source that says so credibly wins.

    None where nothing says so, or only a clock that was never set.
    """
    for tags in sources:
        for key in MOMENT_KEYS:
            moment = _moment(tags.get(key, ""))
            if moment is not None and FIRST_YEAR <= moment.year <= LAST_YEAR:
                return moment
    return None


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text.strip())
        # A time without a zone is UTC by every container's rules.
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _short_key(key: str) -> str:
    key = _text(key, MOST_KEY_CHARACTERS).lower()
    for prefix in VENDOR_PREFIXES:
        key = key.removeprefix(prefix)
    return key


def _text(value: str, most: int) -> str:
    """Valid, printable text: what is not becomes a space or a replacement character."""
    if value.isascii() and value.isprintable():  # as most are
        return value[: 4 * most].strip()[:most]
    valid = value.encode("utf-8", errors="replace").decode("utf-8", errors="replace")
    clean = "".join(c if c.isprintable() or c == "\n" else " " for c in valid[: 4 * most])
    return clean.strip()[:most]


def _tells_where(key: str, value: str) -> bool:
    return any(word in key for word in LOCATION_WORDS) or bool(COORDINATES.search(value))
