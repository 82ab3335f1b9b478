"""Reading what S3 answers about an object, so that a listing and a HEAD agree on it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tasks.storage.store import ARCHIVE_CLASSES


def etag_in(answer: dict[str, Any]) -> str:
    """Return the ETag without its quotes; opaque, and no checksum of anything."""
    return str(answer["ETag"]).strip('"')


def version_in(answer: dict[str, Any]) -> str | None:
    """Return the version that an answer names; buckets without versions name none or `null`."""
    version: str | None = answer.get("VersionId")
    return None if version == "null" else version


def nanoseconds(instant: datetime) -> int:
    """Return whole seconds since the epoch as nanoseconds; a HEAD knows no fractions."""
    return int(instant.timestamp()) * 1_000_000_000


def class_to_meet(storage_class: str | None, *, restored: bool) -> str | None:
    """Return the class that a reader meets: an archived object with a restored copy has none."""
    return None if restored and storage_class in ARCHIVE_CLASSES else storage_class
