"""The image and the compose file, as far as they can be read without an engine."""

from __future__ import annotations

import ast
import json
import re

import pytest
import yaml
from repository import ROOT

from flows.configuration.origins import variable_of
from flows.settings import Settings

DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text("utf-8")
COMPOSE_TEXT = (ROOT / "deploy" / "compose.yaml").read_text("utf-8")
COMPOSE = yaml.safe_load(COMPOSE_TEXT)
SERVICES = COMPOSE["services"]
LAST_STAGE = DOCKERFILE.rpartition("\nFROM ")[2]
OURS = ("REELCAT_", "WAVESPEED_")


def copied() -> set[str]:
    """What is copied out of the clone."""
    lines = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    return {name for line in lines for name in line.split()}


def test_the_image_is_built_from_what_the_wheel_needs():
    needed = {"pyproject.toml", "uv.lock", "README.md", "LICENSE", "hatch_build.py"}
    hook = (ROOT / "hatch_build.py").read_text("utf-8")
    places = ast.literal_eval(hook.partition("PLACES = ")[2].partition("\n\n")[0])
    needed |= {"catalog", "tasks", "flows", *(name.partition("/")[0] for name in places)}
    assert copied() == needed
    assert [name for name in copied() if not (ROOT / name).exists()] == []


def test_the_builder_is_sent_what_is_copied_and_nothing_else():
    lines = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == copied()


def test_it_is_built_with_the_uv_of_the_clone():
    [version] = re.findall(r"^UV_VERSION := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert f"ARG UV_VERSION={version}\n" in DOCKERFILE


def test_nothing_in_it_runs_as_root():
    instructions = re.findall(r"^([A-Z]+) (.+)$", LAST_STAGE, re.MULTILINE)
    names = [name for name, _ in instructions]
    [user] = [value for name, value in instructions if name == "USER"]
    assert user == "10001"
    assert f"--uid {user} " in LAST_STAGE
    assert names.index("USER") < names.index("HEALTHCHECK") < names.index("CMD")


def test_its_health_is_what_doctor_says():
    [call] = re.findall(r"^HEALTHCHECK .* CMD (\[.*\])$", LAST_STAGE, re.MULTILINE)
    assert json.loads(call) == ["reelcat", "doctor"]


def test_there_are_a_database_a_server_and_two_workers():
    assert set(SERVICES) == {"postgres", "prefect", "deploy", "worker"}
    assert SERVICES["worker"]["deploy"]["replicas"] == 2
    assert SERVICES["prefect"]["command"][:3] == ["prefect", "server", "start"]
    assert SERVICES["worker"]["command"][:3] == ["prefect", "worker", "start"]


@pytest.mark.parametrize("name", ["prefect", "deploy", "worker"])
def test_what_is_ours_comes_from_the_image_and_has_no_rights(name):
    service = SERVICES[name]
    assert (service["image"], service["build"]["dockerfile"]) == ("reelcat", "deploy/Dockerfile")
    assert (service["cap_drop"], "user" in service) == (["ALL"], False)


def test_every_variable_of_ours_is_a_setting():
    known = {variable_of(name, info) for name, info in Settings.model_fields.items()}
    named = {
        name
        for service in SERVICES.values()
        for name in service.get("environment", {})
        if name.startswith(OURS)
    }
    assert named
    assert named <= known


def test_the_server_is_set_up_as_the_page_says():
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    own = SERVICES["prefect"]["environment"]
    for name in (
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED",
    ):
        assert f"`{name}={own[name]}`" in page
    for name in ("DO_NOT_TRACK=1", "PREFECT_SERVER_ANALYTICS_ENABLED=false"):
        assert name in LAST_STAGE


def test_nobody_outside_of_the_machine_reaches_it_and_no_password_is_written_down():
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []
    assert set(re.findall(r"PASSWORD: (.*)", COMPOSE_TEXT)) == {
        "${POSTGRES_PASSWORD:?put POSTGRES_PASSWORD into deploy/.env}"
    }


def test_films_are_only_read():
    assert [one for one in SERVICES["worker"]["volumes"] if not one.endswith(":ro")] == []
