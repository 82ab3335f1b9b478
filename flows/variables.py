"""Variables as a source of settings, of the environment or of a file."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic_settings import BaseSettings, EnvSettingsSource
from pydantic_settings.sources.utils import parse_env_vars


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
