"""Opening the catalog for a command that only looks, with as little as that takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from catalog.snapshot import Snapshot, open_snapshot
from flows.glance import read_glance


@dataclass(frozen=True, kw_only=True, slots=True)
class Looking:
    """One snapshot of the catalog that the settings name."""

    snapshot: Snapshot
    #: Where days and months begin, and in which times are shown.
    zone: ZoneInfo


@contextmanager
def open_to_look() -> Iterator[Looking]:
    """Open the catalog that the settings name; nothing is made if there is none.

    Raises:
        SettingsError: if a setting makes no sense.
        CatalogError: if there is no catalog, or it cannot be used.
    """
    glance = read_glance()
    with open_snapshot(glance.database_url) as snapshot:
        yield Looking(snapshot=snapshot, zone=glance.zone)
