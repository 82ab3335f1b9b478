"""Opening the catalog for a command that only reads, with as little as that takes.

Two settings are read alone. `flows.settings` knows every setting and what each takes; importing
what it needs for that takes longer than reading the catalog does. Whatever is not plain here is
left to it, its sentence included.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Connection

from catalog.errors import UsageError
from catalog.schema import open_existing
from flows.configuration.files import read_folder_files
from flows.configuration.ownership import path_in, require_own_catalog

_PREFIX = "reelcat_"


@dataclass(frozen=True, kw_only=True, slots=True)
class CatalogSettings:
    """Where the catalog is, and where its days begin."""

    database_url: str
    zone: ZoneInfo


def read_catalog_settings() -> CatalogSettings:
    """Read both settings: environment > `.env` > `reelcat.toml` > default, as for all settings.

    Raises:
        SettingsError: naming the first setting that makes no sense, and what it takes.
    """
    try:
        given = _given()
        if given is not None and isinstance(url := given["database_url"], str):
            return CatalogSettings(database_url=url, zone=ZoneInfo(given["timezone"]))
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


def _from_all_settings() -> CatalogSettings:
    from flows.settings import read_settings

    settings = read_settings()
    return CatalogSettings(database_url=settings.database_url, zone=settings.zone)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """One snapshot of the catalog that the settings name."""

    connection: Connection
    #: The catalog's address, without a password.
    shown_url: str
    #: Where days and months begin, and in which times are shown.
    zone: ZoneInfo


@contextmanager
def open_to_read() -> Iterator[Reading]:
    """Open the catalog that the settings name; nothing is made if there is none.

    Raises:
        SettingsError: if a setting makes no sense.
        CatalogError: if there is no catalog, or it cannot be used.
    """
    settings = read_catalog_settings()
    with (
        closing(open_existing(settings.database_url)) as catalog,
        catalog.snapshot() as connection,
    ):
        yield Reading(connection=connection, shown_url=catalog.shown_url, zone=settings.zone)
