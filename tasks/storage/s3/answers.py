"""Reading what S3 answers about an object, so that a listing and a HEAD agree on it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tasks.storage.store import ARCHIVE_CLASSES
from tasks.untrusted_values import MOST_ETAG, MOST_INTEGER, nanoseconds_of, short

#: What the catalog keeps of them.
_MOST_VERSION, _MOST_CLASS = 1024, 64


def etag_in(answer: dict[str, Any]) -> str | None:
    """Return the ETag without its quotes; opaque, and no checksum of anything.

    None: the server named none, or one that is no ETag.
    """
    return short(str(answer.get("ETag", "")).strip('"') or None, MOST_ETAG)


def size_in(size: int) -> int:
    """Return a size as it was told; raises `ValueError` for one that no file has."""
    if not 0 <= size <= MOST_INTEGER:
        raise ValueError("no size of a file")
    return size


def version_in(answer: dict[str, Any]) -> str | None:
    """Return the version that an answer names; buckets without versions name none or `null`."""
    version: str | None = answer.get("VersionId")
    return None if version == "null" else short(version, _MOST_VERSION)


def nanoseconds(instant: datetime) -> int:
    """Return whole seconds since the epoch as nanoseconds; a HEAD knows no fractions."""
    return nanoseconds_of(instant)


def class_to_meet(storage_class: str | None, *, restored: bool) -> str | None:
    """Return the class that a reader meets: an archived object with a restored copy has none."""
    storage_class = short(storage_class, _MOST_CLASS)
    return None if restored and storage_class in ARCHIVE_CLASSES else storage_class
