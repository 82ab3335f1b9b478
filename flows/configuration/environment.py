"""The environment: as a source of settings, and what boto3 is given of `.env`.

boto3 takes its variables from the environment, which child processes share; what was put there is
remembered, so that nobody takes it for what the user had set.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from pydantic_settings import BaseSettings, EnvSettingsSource
from pydantic_settings.sources.utils import parse_env_vars

from catalog.errors import SettingsError
from flows.configuration.files import FolderFiles
from flows.configuration.secret_routes import bucket_loans, bucket_trouble

#: What was put into the environment for boto3, so that it is not taken for the user's own.
_lent: dict[str, str] = {}


def lend_to_boto3(files: FolderFiles) -> None:
    """Put boto3's variables of `.env` where it looks for them, below what is set there.

    Raises:
        SettingsError: the user's credentials would be used at an endpoint that `.env` names.
    """
    loans = bucket_loans(own_environment(), files.variables)
    trouble = bucket_trouble(loans)
    if trouble is not None:
        raise SettingsError(f"{trouble}.")
    for name, value in list(_lent.items()):
        if os.environ.get(name) == value:
            del os.environ[name]
        del _lent[name]
    os.environ.update(loans)
    _lent.update(loans)


def own_environment() -> dict[str, str]:
    """Give the environment without what was lent to boto3."""
    return {name: value for name, value in os.environ.items() if _lent.get(name) != value}


class Variables(EnvSettingsSource):
    """Variables of the environment, or those that were read from a file.

    An empty one of reelcat's own is as good as none: that is how a compose file passes on a
    variable that is not set. An empty WAVESPEED_API_KEY says that there is no key.
    """

    def __init__(
        self, settings_cls: type[BaseSettings], variables: Mapping[str, str | None]
    ) -> None:
        self._variables = {
            name: value
            for name, value in variables.items()
            if value != "" or not name.upper().startswith("REELCAT_")
        }
        super().__init__(settings_cls)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return parse_env_vars(self._variables, case_sensitive=False)
