"""Settings that only deployments need, and whether a Prefect server is to be used at all."""

from __future__ import annotations

import os

import pytest

from catalog.errors import SettingsError
from flows.prefect_support.load import prefect_is_configured
from flows.settings import read_settings


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to stand in, and an environment without anybody's settings."""
    for name in list(os.environ):
        if name.startswith(("PREFECT_", "REELCAT_", "AWS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("", ()),
        ("/films", ("/films",)),
        ("s3://films/with space, and comma", ("s3://films/with space, and comma",)),
        ('["/films", "s3://films"]', ("/films", "s3://films")),
    ],
)
def test_sources_are_one_or_a_list(folder, monkeypatch, written, expected):
    monkeypatch.setenv("REELCAT_SOURCES", written)

    assert read_settings().sources == expected


def test_sources_may_stand_in_the_settings_file(folder):
    (folder / "reelcat.toml").write_text('sources = ["/films", "@list.txt"]')

    assert read_settings().sources == ("/films", "@list.txt")


def test_a_list_of_sources_that_is_none_is_a_sentence(folder, monkeypatch):
    monkeypatch.setenv("REELCAT_SOURCES", '["/films"')

    with pytest.raises(SettingsError, match=r"REELCAT_SOURCES: .*several sources are written"):
        read_settings()


def test_without_an_address_or_a_profile_prefect_is_not_configured(folder):
    assert not prefect_is_configured()


def test_an_address_configures_prefect(folder, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:4200/api")

    assert prefect_is_configured()


@pytest.mark.parametrize("name", [".env", "prefect.toml"])
def test_no_file_of_the_folder_configures_prefect(folder, name):
    (folder / name).write_text('PREFECT_API_URL="http://127.0.0.1:4200/api"\napi.url="http://x"\n')

    assert not prefect_is_configured()


PROFILES = """
active = "local"
[profiles.local]
PREFECT_API_URL = "http://127.0.0.1:4200/api"
[profiles.ephemeral]
PREFECT_SERVER_ALLOW_EPHEMERAL_MODE = "true"
"""


def test_the_active_profile_configures_prefect_if_it_names_a_server(folder, monkeypatch):
    (folder / "profiles.toml").write_text(PROFILES)
    assert prefect_is_configured()

    monkeypatch.setenv("PREFECT_PROFILE", "ephemeral")
    assert not prefect_is_configured()


@pytest.mark.parametrize("written", ["", "active = 'gone'", "not toml ["])
def test_profiles_that_make_no_sense_configure_nothing(folder, written):
    (folder / "profiles.toml").write_text(written)

    assert not prefect_is_configured()


def test_boto3_is_lent_its_own_variables_of_the_env_file_below_the_environment(folder, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("AWS_REGION", "so that it is put back afterwards")
    monkeypatch.delenv("AWS_REGION")
    (folder / ".env").write_text(
        "AWS_PROFILE=theirs\nAWS_REGION=eu-central-1\nSOMETHING_ELSE=1\nAWS_CONFIG_FILE=evil\n"
    )
    read_settings()
    assert os.environ["AWS_PROFILE"] == "mine"
    assert os.environ["AWS_REGION"] == "eu-central-1"
    assert {"SOMETHING_ELSE", "AWS_CONFIG_FILE"}.isdisjoint(os.environ)

    (folder / ".env").unlink()
    read_settings()
    assert "AWS_REGION" not in os.environ  # what was lent is not the user's own


@pytest.mark.parametrize(
    "text",
    [
        "active = []\n[profiles]",
        "active = 'a'\nprofiles = 7",
        "active = 'a'\nprofiles = ['a']",
        "active = 'a'\n[profiles]\na = 'PREFECT_API_URL'",
        f"active = {'[' * 5000}",
    ],
)
def test_profiles_that_make_no_sense_configure_no_prefect(folder, text):
    (folder / "profiles.toml").write_text(text)

    assert not prefect_is_configured()


def test_a_user_without_a_home_folder_has_no_profile(folder, monkeypatch):
    monkeypatch.delenv("PREFECT_HOME")
    monkeypatch.setenv("PREFECT_PROFILES_PATH", "~nobody-of-this-name/profiles.toml")

    assert not prefect_is_configured()
