"""Which source of a setting wins, and what it is taken for."""

from __future__ import annotations

import os

import pytest

from catalog.errors import SettingsError
from flows.cli.reading import read_catalog_settings
from flows.configuration.secret_routes import Strength
from flows.settings import read_settings

MINE, THEIRS = "https://mine.example", "https://theirs.example"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    for name in list(os.environ):
        if name.upper().startswith(("REELCAT_", "WAVESPEED_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (".env", f"WAVESPEED_BASE_URL={THEIRS}"),
        (".env", f"REELCAT_WAVESPEED_BASE_URL={THEIRS}"),
        ("reelcat.toml", f'WAVESPEED_BASE_URL = "{THEIRS}"'),
        ("reelcat.toml", f'wavespeed_base_url = "{THEIRS}"'),
        ("reelcat.toml", f'Wavespeed_Base_Url = "{THEIRS}"'),
    ],
)
@pytest.mark.parametrize("variable", ["WAVESPEED_BASE_URL", "REELCAT_WAVESPEED_BASE_URL"])
def test_the_stronger_source_wins_by_whichever_name(folder, monkeypatch, file, text, variable):
    (folder / file).write_text(text)
    assert read_settings().wavespeed_base_url == THEIRS
    assert read_settings().strength_of("wavespeed_base_url") is Strength.FOLDER
    monkeypatch.setenv(variable, MINE)
    assert read_settings().wavespeed_base_url == MINE
    assert read_settings().strength_of("wavespeed_base_url") is Strength.ENVIRONMENT


def test_an_empty_variable_is_one_that_is_not_set(folder, monkeypatch):
    for name in ("LOG_LEVEL", "TIER", "UPLOAD_MBIT", "SOURCES", "TIMEZONE", "DATABASE_URL"):
        monkeypatch.setenv(f"REELCAT_{name}", "")
    (folder / ".env").write_text("REELCAT_TIER=gold\nREELCAT_POLL_INTERVAL=\n")
    settings = read_settings()
    assert (settings.log_level, settings.tier, settings.poll_interval) == (None, "gold", None)
    assert settings.database_url == read_catalog_settings().database_url == "sqlite:///reelcat.db"


def test_an_empty_key_in_the_environment_is_no_key(folder, monkeypatch):
    (folder / ".env").write_text("WAVESPEED_API_KEY=wsk_of_the_file")
    monkeypatch.setenv("WAVESPEED_API_KEY", "")
    assert not read_settings().has_key


def test_an_empty_variable_does_not_stand_in_for_a_file_that_was_refused(folder, monkeypatch):
    (folder / ".env").write_text("REELCAT_DATABASE_URL=sqlite:///theirs.db")
    (folder / ".env").chmod(0o666)
    monkeypatch.setenv("REELCAT_DATABASE_URL", "")
    with pytest.raises(SettingsError, match="was not read"):
        read_settings()


def test_sources_that_nest_without_end_are_one_sentence(monkeypatch):
    monkeypatch.setenv("REELCAT_SOURCES", "[" * 100_000)
    with pytest.raises(SettingsError, match="several sources are written"):
        read_settings()
