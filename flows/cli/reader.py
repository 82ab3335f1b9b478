"""Opening the catalog for a command that only looks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from catalog.schema import open_existing
from flows.settings import read_settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """One snapshot of the catalog."""

    session: Session
    #: The catalog's address, without a password.
    shown_url: str
    #: Where days and months begin, and in which times are shown.
    zone: ZoneInfo


@contextmanager
def open_to_read() -> Iterator[Reading]:
    """Open the catalog that the settings name; nothing is made if there is none.

    Raises:
        CatalogError: if there is none, or it cannot be used.
    """
    settings = read_settings()
    catalog = open_existing(settings.database_url)
    try:
        with catalog.read() as session:
            yield Reading(session=session, shown_url=catalog.shown_url, zone=settings.zone)
    finally:
        catalog.close()
