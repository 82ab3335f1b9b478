"""The two settings that looking at a catalog needs, read without validating all the others.

`flows.settings` knows every setting and what each takes; importing what it needs for that takes
longer than looking does. Whatever is not plain here is left to it, its sentence included.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_ENV_FILE = Path(".env")
_TOML_FILE = Path("reelcat.toml")
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
        if isinstance(url := given["database_url"], str):
            return Glance(database_url=url, zone=ZoneInfo(given["timezone"]))
    except (OSError, ValueError, TypeError, ZoneInfoNotFoundError):
        pass  # there is something to say
    return _from_all_settings()


def _given() -> dict[str, Any]:
    """Give what is set, by the settings' names; a stronger source goes over a weaker one."""
    found: dict[str, Any] = {"database_url": "sqlite:///reelcat.db", "timezone": "UTC"}
    if _TOML_FILE.is_file():
        found |= tomllib.loads(_TOML_FILE.read_text("utf-8"))
    if _ENV_FILE.is_file():
        from dotenv import dotenv_values  # noqa: PLC0415 - only where there is such a file

        found |= _ours(dotenv_values(_ENV_FILE))
    return found | _ours(os.environ)


def _ours(environment: Mapping[str, str | None]) -> dict[str, str]:
    return {
        name.lower().removeprefix(_PREFIX): value
        for name, value in environment.items()
        if value is not None and name.lower().startswith(_PREFIX)
    }


def _from_all_settings() -> Glance:
    from flows.settings import read_settings  # noqa: PLC0415 - brings pydantic-settings

    settings = read_settings()
    return Glance(database_url=settings.database_url, zone=settings.zone)
