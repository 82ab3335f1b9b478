"""What children that decode are handed of a file: no credentials, but a link where it takes one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from catalog.values import Inspection, Listing
from tasks.media.inspect import unread
from tasks.storage.errors import StoreError
from tasks.storage.options import Grant
from tasks.storage.registry import Stores

#: A file to look at, and what opens it.
Look: TypeAlias = tuple[Listing, Grant | None]


def looks_at(stores: Stores, listings: Sequence[Listing]) -> list[Look | Inspection]:
    """Grant each file; where that is refused, that is all that will be known of it."""
    return [_look_at(stores, listing) for listing in listings]


def _look_at(stores: Stores, listing: Listing) -> Look | Inspection:
    try:
        return listing, stores.grant(listing)
    except StoreError as error:
        return unread(listing, error)
