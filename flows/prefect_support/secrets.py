"""The account's key from a Prefect Secret block, for workers that have none of their own."""

from __future__ import annotations

from prefect.blocks.system import Secret
from pydantic import SecretStr

from catalog.errors import SettingsError
from flows.configuration.secret_routes import Strength
from flows.settings import Settings


async def with_key(settings: Settings) -> Settings:
    """Give the settings, with the key from the block that they name if they have no key.

    Raises:
        SettingsError: if there is no such block, or it holds no text.
    """
    name = settings.wavespeed_key_block
    if name is None or settings.wavespeed_api_key is not None:
        return settings
    try:
        block: Secret[str] = await Secret.aload(name)
    except ValueError:
        raise SettingsError(
            f"REELCAT_WAVESPEED_KEY_BLOCK: Prefect has no Secret block named {name!r}; create it "
            "on Prefect's page under Blocks, or set WAVESPEED_API_KEY on the worker."
        ) from None
    key = block.get()
    if not isinstance(key, str) or not key.strip():
        raise SettingsError(
            f"REELCAT_WAVESPEED_KEY_BLOCK: the Secret block {name!r} holds no key; put the key "
            "into it as text."
        )
    return settings.having_key(SecretStr(key.strip()), Strength.OWN_FILE)
