"""Configuration as an operator audits it: each setting, what it is, and who said so.

Reads what `flows.settings` reads, by the same rules. A secret is shown as `***`, and so is the
password in an address.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo

from catalog.database import shown_url
from catalog.errors import CatalogError
from flows.configuration.environment import own_environment
from flows.configuration.files import DOTENV, ENDPOINTS, TOML, FolderFiles, read_folder_files
from flows.configuration.secret_routes import bucket_loans, bucket_trouble
from flows.settings import (
    DEFAULT,
    ENVIRONMENT,
    Settings,
    catalog_trouble,
    said_by_whom,
    settings_of,
    variable_of,
)
from tasks.foundation.redaction import MASK, redact

#: What boto3 and Prefect are told the same way. Only those that are set are shown.
_OTHERS = (
    *("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    *("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"),
    *("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CA_BUNDLE", "AWS_ROLE_ARN"),
    *("PREFECT_API_URL", "PREFECT_API_KEY", "PREFECT_PROFILE"),
)
_SECRETS = frozenset(
    {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PREFECT_API_KEY"}
)
_OURS = ("REELCAT_", "WAVESPEED_")


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """One setting as it is in force."""

    #: As it is written in the environment.
    name: str
    #: None for what is not set; a secret is masked.
    value: str | None
    #: `environment`, `.env`, `reelcat.toml` or `default`.
    source: str
    #: Why it makes no sense; None if it does.
    problem: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Unknown:
    """Something that looks like a setting and is none."""

    name: str
    source: str
    #: The setting that was probably meant.
    meant: str | None


def settings_in_force() -> list[Setting]:
    """Give every setting of reelcat, and those of boto3 and Prefect that are set.

    Raises:
        SettingsError: `.env` or reelcat.toml cannot be read.
    """
    files = read_folder_files()
    said = said_by_whom(files)
    problems: dict[str, str] = {}
    values: Mapping[str, Any] = {}
    try:
        settings = settings_of(files)
        values = dict(settings)
        problems = dict(_misdirected(settings))
    except ValidationError as error:
        for one in error.errors(include_input=False, include_url=False):
            problems[str(one["loc"][0])] = one["msg"].removeprefix("Value error, ")
    found = []
    for field, info in Settings.model_fields.items():
        source, raw = next(
            ((source, given[field]) for source, given in said.items() if field in given),
            (DEFAULT, info.default),
        )
        name = variable_of(field, info)
        problem = problems.get(field) or problems.get(name)
        value = values.get(field, raw) if problem is None else raw
        found.append(
            Setting(
                name=name,
                value=_shown(field, value, secret=_is_secret(info)),
                source=source,
                problem=problem,
            )
        )
    return found + list(_others(files))


def _misdirected(settings: Settings) -> Iterator[tuple[str, str]]:
    """Give the settings that would send a secret, or trust a catalog, where that is not allowed."""
    trouble = settings.key_trouble() if settings.has_key else None
    if trouble is not None:
        yield "wavespeed_base_url", trouble
    try:
        trouble = catalog_trouble(settings)
    except CatalogError as error:
        trouble = str(error).rstrip(".")
    if trouble is not None:
        yield "database_url", trouble


def unknown_settings() -> list[Unknown]:
    """Give what is written as a setting would be, and is none: mostly a slip of the pen."""
    known = [variable_of(field, info) for field, info in Settings.model_fields.items()]
    files = read_folder_files()
    found = []
    for source, names in (
        (ENVIRONMENT, list(os.environ)),
        (DOTENV, files.names),
        (TOML, [_as_variable(key) for key in files.toml]),
    ):
        for name in names:
            if name.startswith(_OURS) and name.upper() not in known:
                near = difflib.get_close_matches(name.upper(), known, n=1)
                found.append(Unknown(name=name, source=source, meant=near[0] if near else None))
    return found


def unread_files() -> tuple[str, ...]:
    """Give what of the current folder was not read or not taken, in sentences that say why."""
    return read_folder_files().unread


def _as_variable(key: str) -> str:
    info = Settings.model_fields.get(key)
    if info is not None:
        return variable_of(key, info)
    return key if key.startswith(_OURS) else f"REELCAT_{key.upper()}"


def _others(files: FolderFiles) -> Iterator[Setting]:
    environment = own_environment()
    loans = bucket_loans(environment, files.variables)
    trouble = bucket_trouble(loans)
    for name in _OTHERS:
        source = ENVIRONMENT if name in environment else DOTENV
        value = environment.get(name) or loans.get(name)
        if value:
            shown = MASK if name in _SECRETS else redact(value)
            problem = trouble if source == DOTENV and name in ENDPOINTS else None
            yield Setting(name=name, value=shown, source=source, problem=problem)


def _is_secret(info: FieldInfo) -> bool:
    return "SecretStr" in str(info.annotation)


def _shown(field: str, value: Any, *, secret: bool) -> str | None:
    if value is None:
        return None
    if secret:
        text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        return MASK if text else ""
    if field == "database_url":
        try:
            return shown_url(str(value))
        except CatalogError:
            return MASK  # no address, so nobody knows where in it a password is
    return _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, list)):
        return ", ".join(redact(str(one)) for one in value)
    return redact(str(value))
