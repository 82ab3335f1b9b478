"""Opening the catalog for a command that only looks, with as little as that takes.

`open_to_look` does without SQLAlchemy; `open_to_read` is for what needs it. The first reads two
settings alone. `flows.settings` knows every setting and what each takes; importing what it needs
for that takes longer than looking does. Whatever is not plain here is left to it, its sentence
included.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from catalog.errors import UsageError
from catalog.snapshot import Snapshot, open_snapshot
from flows.configuration.files import read_folder_files
from flows.configuration.ownership import path_in, require_own_catalog

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_PREFIX = "reelcat_"


@dataclass(frozen=True, kw_only=True, slots=True)
class Glance:
    """Where the catalog is, and where its days begin."""

    database_url: str
    zone: ZoneInfo


def read_glance() -> Glance:
    """Read both settings: environment > `.env` > `reelcat.toml` > default, as for all settings.

    Raises:
        SettingsError: naming the first setting that makes no sense, and what it takes.
    """
    try:
        given = _given()
        if given is not None and isinstance(url := given["database_url"], str):
            return Glance(database_url=url, zone=ZoneInfo(given["timezone"]))
    except (OSError, ValueError, TypeError, ZoneInfoNotFoundError, UsageError):
        pass  # there is something to say
    return _from_all_settings()


def _given() -> dict[str, Any] | None:
    """Give what is set, by the settings' names; a stronger source goes over a weaker one.

    None where there is more to be looked at: a file that was refused, a server that a file names.
    """
    files = read_folder_files()
    if files.refused:
        return None
    defaults = {"database_url": "sqlite:///reelcat.db", "timezone": "UTC"}
    toml = {name.lower(): value for name, value in files.toml.items()}
    written = defaults | toml | _ours(files.variables)
    found = written | _ours(os.environ)
    named_here = "database_url" not in _ours(os.environ)
    if named_here and path_in(str(found["database_url"])) is None:
        return None
    require_own_catalog(str(found["database_url"]), named_here=named_here)
    return found


def _ours(environment: Mapping[str, str | None]) -> dict[str, str]:
    return {
        name.lower().removeprefix(_PREFIX): value
        for name, value in environment.items()
        if value and name.lower().startswith(_PREFIX)
    }


def _from_all_settings() -> Glance:
    from flows.settings import read_settings

    settings = read_settings()
    return Glance(database_url=settings.database_url, zone=settings.zone)


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
    """Open it as `open_to_look` does, for queries that are made with SQLAlchemy.

    Raises:
        CatalogError: if there is none, or it cannot be used.
    """
    from catalog.schema import open_existing
    from flows.settings import read_settings

    settings = read_settings()
    catalog = open_existing(settings.database_url)
    try:
        with catalog.read() as session:
            yield Reading(session=session, shown_url=catalog.shown_url, zone=settings.zone)
    finally:
        catalog.close()
