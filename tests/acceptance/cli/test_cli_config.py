"""What is set, who said so, and nothing that is a secret."""

from __future__ import annotations

import json

import pytest

from flows.settings import Settings

KEY = "wsk_a_key_that_nobody_may_see"


def config(shell) -> dict[str, tuple[str | None, str]]:
    ended = shell("config", "--json")
    assert ended.code == 0
    return {one["name"]: (one["value"], one["source"]) for one in json.loads(ended.out)["settings"]}


def test_every_setting_is_shown_with_its_default(shell):
    shown = config(shell)
    assert len(shown) == len(Settings.model_fields)
    assert {source for _, source in shown.values()} == {"default"}
    assert shown["REELCAT_TIER"][0] == "silver"
    assert shown["WAVESPEED_BASE_URL"][0] == "https://api.wavespeed.ai"
    assert shown["WAVESPEED_API_KEY"][0] is None
    assert shown["REELCAT_EXCLUSIVE_ACCOUNT"][0] == "false"


def test_each_setting_says_where_it_was_set_and_the_strongest_wins(shell, monkeypatch):
    (shell.folder / "reelcat.toml").write_text(
        'tier = "bronze"\nlink_hours = 3\ntimezone = "Asia/Tokyo"'
    )
    (shell.folder / ".env").write_text("REELCAT_TIER=gold\nREELCAT_LINK_HOURS=2\n")
    monkeypatch.setenv("REELCAT_TIER", "ultra")
    shown = config(shell)
    assert shown["REELCAT_TIER"] == ("ultra", "environment")
    assert shown["REELCAT_LINK_HOURS"] == ("2.0", ".env")
    assert shown["REELCAT_TIMEZONE"] == ("Asia/Tokyo", "reelcat.toml")
    assert shown["REELCAT_SETTLE_DELAY"] == ("120.0", "default")


def test_secrets_and_passwords_are_stars_wherever_they_stand(shell, monkeypatch):
    (shell.folder / ".env").write_text(
        f"WAVESPEED_API_KEY={KEY}\nAWS_SECRET_ACCESS_KEY=s3cret-of-aws\nAWS_PROFILE=films\n"
    )
    monkeypatch.setenv("REELCAT_DATABASE_URL", "postgresql://me:s3cret@host/db?sslpassword=s3cret")
    monkeypatch.setenv("WAVESPEED_BASE_URL", "https://me:s3cret@proxy.example/v3?token=s3cret")
    monkeypatch.setenv("PREFECT_API_URL", "http://me:s3cret@prefect.example/api")
    shown = config(shell)
    assert shown["WAVESPEED_API_KEY"] == ("***", ".env")
    assert shown["REELCAT_DATABASE_URL"] == (
        "postgresql://me:***@host/db?sslpassword=***",
        "environment",
    )
    assert shown["AWS_SECRET_ACCESS_KEY"] == ("***", ".env")
    assert shown["AWS_PROFILE"] == ("films", ".env")
    for ended in (shell("config"), shell("config", "--json")):
        assert ended.code == 0
        assert KEY not in ended.out + ended.err
        assert "s3cret" not in ended.out + ended.err


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("REELCAT_TIMEZONE", "Mars/Olympus", "no such time zone"),
        ("REELCAT_TIER", "platinum", "Input should be 'bronze'"),
        ("REELCAT_POLL_INTERVAL", "soon", "should be a valid number"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named_and_the_others_are_shown(
    shell, monkeypatch, name, value, says
):
    monkeypatch.setenv(name, value)
    ended = shell("config")
    assert ended.code == 2
    assert f"{name} (environment): " in ended.err
    assert says in ended.err
    assert "REELCAT_DATABASE_URL" in ended.out
    told = json.loads(shell("config", "--json").out)["settings"]
    assert [one["name"] for one in told if one["problem"]] == [name]


def test_a_database_that_is_no_address_is_not_shown(shell, monkeypatch):
    monkeypatch.setenv("REELCAT_DATABASE_URL", "me:s3cret@host")
    ended = shell("config")
    assert "s3cret" not in ended.out + ended.err


def test_what_is_written_like_a_setting_and_is_none_is_named(shell, monkeypatch):
    monkeypatch.setenv("REELCAT_TEIR", "gold")
    (shell.folder / ".env").write_text("WAVESPEED_KEY=x\n")
    (shell.folder / "reelcat.toml").write_text('timezon = "UTC"\n')
    ended = shell("config")
    assert ended.code == 0
    assert "REELCAT_TEIR (environment) is no setting; REELCAT_TIER may be meant." in ended.err
    assert "WAVESPEED_KEY (.env) is no setting" in ended.err
    assert "REELCAT_TIMEZON (reelcat.toml) is no setting; REELCAT_TIMEZONE may be" in ended.err
    found = json.loads(shell("doctor", "--json").out)["findings"]
    (settings,) = (one for one in found if one["what"] == "settings")
    assert settings["verdict"] == "warning"
    assert "REELCAT_TEIR" in settings["said"]


def test_a_file_that_is_no_settings_file_is_named(shell):
    (shell.folder / "reelcat.toml").write_text("tier = [")
    ended = shell("config")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "reelcat.toml cannot be read" in ended.err


@pytest.mark.parametrize("command", [("config",), ("status",), ("plan", "."), ("doctor",)])
@pytest.mark.parametrize("name", [".env", "reelcat.toml"])
def test_a_settings_file_that_is_not_text_is_named_whatever_is_asked(shell, name, command):
    (shell.folder / name).write_bytes(b"\xff\xfe")
    ended = shell(*command)
    assert ended.code == (1 if command == ("doctor",) else 2)
    assert f"{name} cannot be read" in ended.out + ended.err
