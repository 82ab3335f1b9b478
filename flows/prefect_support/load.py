"""Prefect without the files of the current folder.

Prefect reads `.env`, `prefect.toml` and `pyproject.toml` of the folder in which it is imported, and
so does a server that it starts. They can make it run anything, whoever wrote them, and no setting
keeps it from reading them. So it is imported elsewhere: in reelcat's own folder, which holds none.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

#: Prefect's variables that name a file or a folder, which is one of where reelcat was called.
_PATHS = ("PREFECT_HOME", "PREFECT_PROFILES_PATH", "PREFECT_LOGGING_SETTINGS_PATH")

#: Prefect writes nothing over what `reelcat` shows, a server that it starts reports to nobody, and
#: what it starts imports nothing from the current folder.
_QUIET = {
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
}
_SAFE_PATH = "PYTHONSAFEPATH"


class _PrefectPlace(BaseSettings):
    """The few of Prefect's own settings that say whether there is a server to use."""

    model_config = SettingsConfigDict(env_prefix="PREFECT_", extra="ignore")

    api_url: str | None = None
    home: Path = Path("~/.prefect")
    profiles_path: Path | None = None
    profile: str | None = None


def prefect_is_configured() -> bool:
    """Tell whether PREFECT_API_URL or the active profile names a Prefect server.

    Does not import Prefect, and asks no server. A file of the current folder is not asked: it
    could have Prefect run anything.
    """
    place = _PrefectPlace()
    if place.api_url:
        return True
    try:
        # RuntimeError: a user without a home folder; the others: a file that is no list of profiles
        path = (place.profiles_path or place.home / "profiles.toml").expanduser()
        known = tomllib.loads(path.read_text("utf-8"))
        active = known["profiles"][place.profile or known["active"]]
        return bool(active.get("PREFECT_API_URL"))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError):
        return False


def import_prefect() -> None:
    """Import Prefect, which takes a second; it reads its settings then, and keeps them.

    For whoever has no other thread at work: the current folder is another one meanwhile.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    os.environ[_SAFE_PATH] = "1"
    for name in _PATHS:
        if os.environ.get(name):
            os.environ[name] = str(Path(os.environ[name]).expanduser().absolute())
    with outside_the_folder():
        import prefect.context  # noqa: F401, PLC0415


@contextmanager
def outside_the_folder() -> Iterator[None]:
    """Have reelcat's own folder be the current one meanwhile."""
    before = os.open(".", getattr(os, "O_PATH", os.O_RDONLY))
    try:
        os.chdir(Path(__file__).parent)
        try:
            yield
        finally:
            os.fchdir(before)
    finally:
        os.close(before)
