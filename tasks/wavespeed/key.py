"""The account's key: what can be one, and who gets it."""

from __future__ import annotations

from collections.abc import Generator

import httpx
from pydantic import SecretStr

from catalog.errors import SettingsError


def checked_key(api_key: SecretStr) -> str:
    """The key without surrounding blanks; raises `SettingsError` if no header can carry it."""
    key = api_key.get_secret_value().strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise SettingsError(
            "WAVESPEED_API_KEY is empty or holds characters that no key has; set it again."
        )
    return key


class KeyForOneOrigin(httpx.Auth):
    """Adds the key to requests to the API's own origin and to no other."""

    def __init__(self, api_key: SecretStr, base: str) -> None:
        self._api_key = api_key
        self._origin = _origin(httpx.URL(base))

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the key, or do not."""
        if _origin(request.url) == self._origin:
            request.headers["Authorization"] = f"Bearer {self._api_key.get_secret_value()}"
        yield request


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
