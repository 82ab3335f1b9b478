"""Whether a file is still the one that was listed. Pure rules."""

from __future__ import annotations

from datetime import datetime, timedelta

from catalog.values import Listing

#: A local file whose time is younger may still be growing.
YOUNG = timedelta(seconds=30)


def is_young(listing: Listing, now: datetime) -> bool:
    """Tell whether a local file was written to so lately that it may go on."""
    if listing.etag is not None:
        return False  # an object in a bucket is there whole or not at all
    age_seconds = now.timestamp() - listing.mtime_ns / 1_000_000_000
    return age_seconds < YOUNG.total_seconds()


def has_changed(before: Listing, after: Listing | None) -> bool:
    """Tell whether a file is another one than was listed."""
    if after is None or before.size != after.size:
        return True
    if before.etag is not None and after.etag is not None:
        return before.etag != after.etag  # a store may round the time differently each way
    return before.mtime_ns != after.mtime_ns
