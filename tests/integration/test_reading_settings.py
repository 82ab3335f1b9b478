"""What looking reads of the settings is what all the settings say."""

from __future__ import annotations

import os

import pytest

from catalog.errors import SettingsError
from flows.cli.reading import CatalogSettings, read_catalog_settings
from flows.settings import read_settings

OTHER = "sqlite:////films/other.db"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to stand in, and an environment without anybody's settings."""
    for name in list(os.environ):
        if name.upper().startswith("REELCAT_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("environment", "env_file", "toml_file"),
    [
        ({}, None, None),
        ({"REELCAT_DATABASE_URL": OTHER, "REELCAT_TIMEZONE": "Europe/Berlin"}, None, None),
        ({"reelcat_timezone": "Asia/Tokyo"}, None, None),
        ({"REELCAT_DATABASE_URL": ""}, None, f'database_url = "{OTHER}"'),
        ({}, f"REELCAT_DATABASE_URL='{OTHER}'\nREELCAT_TIMEZONE\n", None),
        ({}, f"export reelcat_database_url={OTHER}", 'timezone = "Asia/Tokyo"'),
        ({"REELCAT_TIMEZONE": "UTC"}, "REELCAT_TIMEZONE=Asia/Tokyo", None),
        ({}, "REELCAT_TIMEZONE=Asia/Tokyo", 'timezone = "Europe/Berlin"\ntier = "gold"'),
        ({}, "PLACE=films\nREELCAT_DATABASE_URL=sqlite:///${PLACE}.db", None),
        ({}, "REELCAT_DATABASE_URL=sqlite:///${USER:-me}.db", None),
        ({}, None, f'REELCAT_DATABASE_URL = "{OTHER}"'),
    ],
)
def test_a_glance_sees_what_the_settings_say(folder, monkeypatch, environment, env_file, toml_file):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    if env_file is not None:
        (folder / ".env").write_text(env_file)
    if toml_file is not None:
        (folder / "reelcat.toml").write_text(toml_file)

    settings = read_settings()

    assert read_catalog_settings() == CatalogSettings(
        database_url=settings.database_url, zone=settings.zone
    )


@pytest.mark.parametrize(
    ("toml_file", "named"),
    [
        ('timezone = "Mars/Olympus"', "REELCAT_TIMEZONE"),
        ("timezone = 7", "REELCAT_TIMEZONE"),
        ("database_url = 7", "REELCAT_DATABASE_URL"),
        ("database_url = ", r"reelcat\.toml"),
    ],
)
def test_what_makes_no_sense_is_named_as_ever(folder, toml_file, named):
    (folder / "reelcat.toml").write_text(toml_file)

    with pytest.raises(SettingsError, match=named):
        read_catalog_settings()
