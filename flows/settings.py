"""Every setting, and the only place that reads the environment (but for `flows.glance`).

Explicit option > environment > `.env` > `reelcat.toml` > default. Each default says why it is what
it is. Everything below `flows` takes plain values.
"""

from __future__ import annotations

import json
import os
import tomllib
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from catalog.errors import SettingsError

ProviderName = Literal["wavespeed", "offline"]


class Settings(BaseSettings):
    """What can be set, as `REELCAT_<NAME>` unless another name is given."""

    model_config = SettingsConfigDict(
        env_prefix="REELCAT_",
        env_file=".env",
        toml_file="reelcat.toml",
        extra="ignore",
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    database_url: str = "sqlite:///reelcat.db"
    """Where the catalog lives; the default is a file in the current folder."""

    wavespeed_api_key: SecretStr | None = Field(default=None, validation_alias="WAVESPEED_API_KEY")
    """The account's key; without one, runs are offline."""

    wavespeed_base_url: str = Field(
        default="https://api.wavespeed.ai", validation_alias="WAVESPEED_BASE_URL"
    )
    """The provider's address, or that of a sandbox."""

    wavespeed_key_block: str | None = None
    """Name of a Prefect Secret block that holds the key; asked by flows where no key is set."""

    sources: Annotated[tuple[str, ...], NoDecode] = ()
    """What deployments catalog that name no source: one source, or several as a JSON list."""

    provider: ProviderName | None = None
    """Who describes: wavespeed if there is a key, else offline."""

    tier: Literal["bronze", "silver", "gold", "ultra"] = "silver"
    """The account's tier. Too high a one is slowed down by the provider's refusals."""

    poll_interval: float = Field(default=5.0, gt=0, le=3600)
    """Least seconds between two polls of one prediction; the provider asks for 5 with video."""

    wait_minutes: float = Field(default=60.0, gt=0)
    """How long a run waits for one prediction before it leaves it to the next run."""

    settle_delay: float = Field(default=60.0, ge=0)
    """Seconds that a lost submission may take to appear in the provider's list."""

    exclusive_account: bool = False
    """Nobody but this catalog uses the account, so a stray prediction can only be ours."""

    drift_tolerance: Decimal = Field(default=Decimal("0.05"), ge=0)
    """Dollars by which the bill may exceed the quotes before paid runs stop to be looked at."""

    link_hours: float = Field(default=6.0, gt=0, le=168)
    """How long a link to a video in a bucket stays good: the provider's queue and its download."""

    upload_mbit: float | None = Field(default=None, gt=0)
    """Megabits a second that uploads take together at most; unset, as fast as the line is."""

    s3_requester_pays: bool = False
    """Agree to pay for requests to other people's buckets. Costs money at Amazon."""

    s3_addressing_style: Literal["auto", "path", "virtual"] = "auto"
    """How a bucket stands in an address; auto is path for any endpoint but Amazon's own."""

    timezone: str = "UTC"
    """Where days and months of budgets begin."""

    probe_engine: Literal["auto", "pyav", "ffprobe"] = "auto"
    """What measures videos; auto takes PyAV, and asks ffprobe where its answer is doubtful."""

    probe_workers: int | None = Field(default=None, ge=1, le=256)
    """Processes that look at files; one a core unless set, more for buckets far away."""

    probe_timeout: float = Field(default=60.0, gt=0)
    """Seconds after which looking at one file is given up."""

    log_format: Literal["text", "json"] | None = None
    """Write an event a line to stderr; unset, nothing but progress and the report is shown."""

    log_level: Literal["debug", "info", "warning", "error"] | None = None
    """Which events; debug has one or more for each video. Info, where a form is set."""

    follow_links: bool = False
    """Follow links that lead out of a source. Who can put one there chooses what is sent."""

    keep_location_tags: bool = False
    """Keep where a video was recorded (GPS); dropped unless asked for."""

    @field_validator("sources", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if not value.lstrip().startswith("["):
            return (value,) if value.strip() else ()
        try:
            return tuple(json.loads(value))
        except ValueError:
            raise ValueError('several sources are written ["/films", "s3://films"]') from None

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("no such time zone; write one such as Europe/Berlin") from None
        return name

    @property
    def zone(self) -> ZoneInfo:
        """Where days and months begin."""
        return ZoneInfo(self.timezone)

    @property
    def poll_gap(self) -> timedelta:
        """Least time between two polls of one prediction."""
        return timedelta(seconds=self.poll_interval)

    def provider_for(self, asked: str | None) -> ProviderName:
        """Decide who describes.

        Raises:
            SettingsError: if wavespeed was asked for and there is no key.
        """
        chosen = asked or self.provider or ("wavespeed" if self._has_key else "offline")
        if chosen not in {"wavespeed", "offline"}:
            raise SettingsError(f"--provider takes wavespeed or offline, not {chosen!r}.")
        if chosen == "wavespeed" and not self._has_key:
            raise SettingsError(
                "There is no key for wavespeed; set WAVESPEED_API_KEY, or use --provider offline."
            )
        return "wavespeed" if chosen == "wavespeed" else "offline"

    @property
    def _has_key(self) -> bool:
        key = self.wavespeed_api_key
        return key is not None and bool(key.get_secret_value().strip())

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the settings file below the environment."""
        return (
            init_settings,
            env_settings,
            dotenv_settings,
            TomlConfigSettingsSource(settings_cls),
            file_secret_settings,
        )


def cannot_be_read(name: str, error: OSError | ValueError) -> SettingsError:
    """Say that a file of settings cannot be read, and why."""
    reason = error.strerror if isinstance(error, OSError) else error
    return SettingsError(f"{name} cannot be read: {reason}.")


def read_dotenv() -> dict[str, str | None]:
    """Give all that `.env` says, whoever it is for; nothing if there is none.

    Raises:
        SettingsError: it is there and cannot be read.
    """
    try:
        return dotenv_values(".env")
    except (OSError, ValueError) as error:  # not ours to read, or not UTF-8
        raise cannot_be_read(".env", error) from None


def _lend_to_boto3() -> None:
    """Put boto3's own variables from `.env` where it looks for them, below what is set there."""
    for name, value in read_dotenv().items():
        if name.startswith("AWS_") and value:
            os.environ.setdefault(name, value)


def read_settings() -> Settings:
    """Read every setting.

    Raises:
        SettingsError: naming the first setting that makes no sense, and what it takes, or the file
            that cannot be read.
    """
    _lend_to_boto3()
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        shown = name if name.isupper() else f"REELCAT_{name.upper()}"
        told = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"{shown}: {told}.") from None
    except (OSError, ValueError) as error:  # `.env` was read; this is not ours to read, or not TOML
        raise cannot_be_read("reelcat.toml", error) from None


class _PrefectPlace(BaseSettings):
    """The few of Prefect's own settings that say whether there is a server to use."""

    model_config = SettingsConfigDict(env_prefix="PREFECT_", env_file=".env", extra="ignore")

    api_url: str | None = None
    home: Path = Path("~/.prefect")
    profiles_path: Path | None = None
    profile: str | None = None


def prefect_is_configured() -> bool:
    """Tell whether PREFECT_API_URL or the active profile names a Prefect server.

    Does not import Prefect, and asks no server.

    Raises:
        SettingsError: `.env` is there and cannot be read.
    """
    read_dotenv()  # says so if that cannot be done
    place = _PrefectPlace()
    if place.api_url:
        return True
    path = (place.profiles_path or place.home / "profiles.toml").expanduser()
    try:
        known = tomllib.loads(path.read_text("utf-8"))
        active = known["profiles"][place.profile or known["active"]]
    except (OSError, ValueError, KeyError):
        return False
    return bool(active.get("PREFECT_API_URL"))
