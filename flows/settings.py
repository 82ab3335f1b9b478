"""Every setting: its name, what it takes, and its default.

Explicit option > environment > `.env` > `reelcat.toml` > default. Each default says why it is what
it is. `flows.configuration.files` decides what the files may say,
`flows.configuration.secret_routes` where secrets go.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AliasChoices,
    AliasPath,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from catalog.errors import SettingsError
from flows.configuration.environment import Variables, lend_to_boto3, own_environment
from flows.configuration.files import DOTENV, TOML, FolderFiles, read_folder_files
from flows.configuration.ownership import require_own_catalog
from flows.configuration.secret_routes import Strength, database_trouble, key_trouble

ProviderName = Literal["wavespeed", "offline"]

ENVIRONMENT, DEFAULT = "environment", "default"
_STRENGTHS = {
    ENVIRONMENT: Strength.ENVIRONMENT,
    DOTENV: Strength.FOLDER,
    TOML: Strength.FOLDER,
}


class Settings(BaseSettings):
    """What can be set, as `REELCAT_<NAME>` unless another name is given."""

    model_config = SettingsConfigDict(
        env_prefix="REELCAT_",
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

    allow_http: bool = False
    """Send the key over plain HTTP to another machine, for a rehearsal there."""

    wavespeed_key_block: str | None = None
    """Name of a Prefect Secret block that holds the key; asked by flows where no key is set."""

    sources: Annotated[tuple[str, ...], NoDecode] = ()
    """What deployments catalog that name no source: one source, or several as a JSON list."""

    provider: ProviderName | None = None
    """Who describes: wavespeed if there is a key, else offline."""

    tier: Literal["bronze", "silver", "gold", "ultra"] = "silver"
    """The account's tier. Too high a one is slowed down by the provider's refusals."""

    poll_interval: float | None = Field(default=None, gt=0, le=3600)
    """Least seconds between two polls of one prediction; unset, 1, and up to 5 for long or many."""

    wait_minutes: float = Field(default=60.0, gt=0, le=525_600)
    """How long a run waits for one prediction before it leaves it to the next run."""

    settle_delay: float = Field(default=120.0, ge=0, le=604_800)
    """Seconds that a lost submission may take to appear in the provider's list."""

    exclusive_account: bool = False
    """Nobody but this catalog uses the account, so a stray prediction can only be ours."""

    drift_tolerance: Decimal = Field(default=Decimal("0.05"), ge=0, le=1_000_000)
    """Dollars by which the bill may exceed the quotes before paid runs stop to be looked at."""

    link_hours: float = Field(default=6.0, gt=0, le=168)
    """How long a link to a video in a bucket stays good: the provider's queue and its download."""

    upload_mbit: float | None = Field(default=None, gt=0, le=1_000_000)
    """Megabits a second that uploads take together at most; unset, as fast as the line is."""

    s3_requester_pays: bool = False
    """Agree to pay for requests to other people's buckets. Costs money at Amazon."""

    s3_addressing_style: Literal["auto", "path", "virtual"] = "auto"
    """How a bucket stands in an address; auto is path for any endpoint but Amazon's own."""

    ping_url: SecretStr | None = None
    """What is told that a run began, was done or failed: a dead-man's switch. It is a secret."""

    timezone: str = "UTC"
    """Where days and months of budgets begin."""

    probe_engine: Literal["auto", "pyav", "ffprobe"] = "auto"
    """What measures videos; auto takes PyAV, and asks ffprobe where its answer is doubtful."""

    probe_workers: int | None = Field(default=None, ge=1, le=256)
    """Processes that look at files; one a core unless set, more for buckets far away."""

    probe_timeout: float = Field(default=60.0, gt=0, le=86_400)
    """Seconds after which looking at one file is given up."""

    log_format: Literal["text", "json"] | None = None
    """Write an event a line to stderr; unset, nothing but progress and the report is shown."""

    log_level: Literal["debug", "info", "warning", "error"] | None = None
    """Which events; debug has one or more for each video. Info, where a form is set."""

    follow_links: bool = False
    """Follow links that lead out of a source. Who can put one there chooses what is sent."""

    keep_location_tags: bool = False
    """Keep where a video was recorded (GPS); dropped unless asked for."""

    #: Who said what; what nobody did is not in it.
    _strengths: dict[str, Strength] = PrivateAttr(default_factory=dict)
    _unread: tuple[str, ...] = PrivateAttr(default=())

    @field_validator("sources", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if not value.lstrip().startswith("["):
            return (value,) if value.strip() else ()
        try:
            return tuple(json.loads(value))
        except (ValueError, RecursionError):
            raise ValueError('several sources are written ["/films", "s3://films"]') from None

    @field_validator("ping_url")
    @classmethod
    def _web_address(cls, address: SecretStr | None) -> SecretStr | None:
        text = "" if address is None else address.get_secret_value().strip()
        if not text:
            return None
        try:
            parts = urlsplit(text)
            known = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        except ValueError:
            known = False
        if not known or not text.isascii() or not text.isprintable() or " " in text:
            raise ValueError("write a web address, such as https://hc-ping.com/your-id")
        return SecretStr(text)

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
    def poll_gap(self) -> timedelta | None:
        """Least time between two polls of one prediction; None follows what they take."""
        return None if self.poll_interval is None else timedelta(seconds=self.poll_interval)

    def provider_for(self, asked: str | None) -> ProviderName:
        """Decide who describes.

        Raises:
            SettingsError: if wavespeed is to, and there is no key or it may not be sent there.
        """
        chosen = asked or self.provider or ("wavespeed" if self.has_key else "offline")
        if chosen not in {"wavespeed", "offline"}:
            raise SettingsError(f"--provider takes wavespeed or offline, not {chosen!r}.")
        if chosen == "wavespeed" and not self.has_key:
            raise SettingsError(
                "There is no key for wavespeed; set WAVESPEED_API_KEY, or use --provider offline."
            )
        if chosen == "wavespeed" and (trouble := self.key_trouble()) is not None:
            raise SettingsError(f"WAVESPEED_BASE_URL: {trouble}.")
        return "wavespeed" if chosen == "wavespeed" else "offline"

    def key_trouble(self) -> str | None:
        """Say why the key may not be sent to the provider's address; None if it may."""
        strongest = Strength.COMMAND_LINE  # of what nobody read: it was given by who calls
        said = self._strengths.get("wavespeed_base_url", strongest)
        built_in = type(self).model_fields["wavespeed_base_url"].default
        return key_trouble(
            self.wavespeed_base_url,
            key=self._strengths.get("wavespeed_api_key", strongest),
            address=None if self.wavespeed_base_url.rstrip("/") == built_in else said,
            open_to_http=(
                self._strengths.get("allow_http", strongest) if self.allow_http else None
            ),
        )

    def having_key(self, key: SecretStr, strength: Strength) -> Settings:
        """Give the same settings with a key that comes from elsewhere."""
        settings = self.model_copy(update={"wavespeed_api_key": key})
        settings._strengths = {**self._strengths, "wavespeed_api_key": strength}  # noqa: SLF001
        return settings

    def strength_of(self, field: str) -> Strength | None:
        """Tell how far the source of a setting can be trusted; None for what nobody set."""
        return self._strengths.get(field)

    @property
    def unread(self) -> tuple[str, ...]:
        """What of the current folder was not read or not taken, in sentences that say why."""
        return self._unread

    @property
    def has_key(self) -> bool:
        """Tell whether there is a key."""
        key = self.wavespeed_api_key
        return key is not None and bool(key.get_secret_value().strip())

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - read below
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - read below, if trusted
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - there are none
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the files of the current folder, as far as trusted, below the environment.

        Each source names a setting by its field, so that a stronger one goes over a weaker one
        whichever of the setting's two names each of them writes.
        """
        said = said_by_whom(read_folder_files())
        return (init_settings, *(InitSettingsSource(settings_cls, one) for one in said.values()))


def variable_of(field: str, info: FieldInfo) -> str:
    """Give the name of a setting in the environment."""
    alias: str | AliasPath | AliasChoices | None = info.validation_alias
    return alias if isinstance(alias, str) else f"REELCAT_{field.upper()}"


def said_by_whom(files: FolderFiles) -> dict[str, dict[str, Any]]:
    """Give what each source says of settings, by their fields; the strongest source first."""
    sources: dict[str, Mapping[str, Any]] = {
        ENVIRONMENT: Variables(Settings, os.environ)(),
        DOTENV: Variables(Settings, files.variables)(),
        TOML: files.toml,
    }
    fields = {
        key.lower(): field
        for field, info in Settings.model_fields.items()
        for key in (info.validation_alias, field)
        if isinstance(key, str)
    }
    return {
        source: {fields[key.lower()]: value for key, value in said.items() if key.lower() in fields}
        for source, said in sources.items()
    }


def read_settings(*, catalog: bool = True) -> Settings:
    """Read every setting.

    `catalog`: the catalog that they name will be used.

    Raises:
        SettingsError: naming the first setting that makes no sense, and what it takes, or the file
            that cannot be read or would have decided what a run is.
        CatalogError: somebody else could have changed the catalog.
    """
    files = read_folder_files()
    environment = own_environment()
    for one in files.refused:
        if one.decides(environment):
            raise SettingsError(str(one))
    lend_to_boto3(files)
    try:
        settings = settings_of(files)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        shown = name if name.isupper() else f"REELCAT_{name.upper()}"
        told = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"{shown}: {told}.") from None
    trouble = catalog_trouble(settings) if catalog else None
    if trouble is not None:
        raise SettingsError(f"REELCAT_DATABASE_URL: {trouble}.")
    return settings


def settings_of(files: FolderFiles) -> Settings:
    """Give the settings, and who said what; raises what pydantic does."""
    settings = Settings()
    settings._strengths = {  # noqa: SLF001 - nobody else makes settings
        field: _STRENGTHS[source]
        for source, said in reversed(said_by_whom(files).items())
        for field in said
    }
    settings._unread = files.unread  # noqa: SLF001 - as above
    return settings


def catalog_trouble(settings: Settings) -> str | None:
    """Say why a password may not go to the catalog's address; None if it may.

    Raises:
        CatalogError: somebody else could have changed the catalog.
    """
    strength = settings.strength_of("database_url")
    require_own_catalog(settings.database_url, named_here=strength in {None, Strength.FOLDER})
    if strength is not Strength.FOLDER:
        return None
    return database_trouble(settings.database_url, os.environ)
