"""prefect.yaml, read as Prefect reads it, without a server.

Prefect itself passes over keys of a deployment that it does not know, so they are checked here.
"""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import jsonschema
import pytest
import yaml
from prefect.cli.deploy._models import PrefectYamlModel
from prefect.client.schemas.objects import ConcurrencyLimitStrategy
from prefect.client.schemas.schedules import CronSchedule
from prefect.flows import Flow, load_flow_from_entrypoint

from flows.prefect_support.tasks import JOIN

ROOT = Path(__file__).parents[3]
WRITTEN = yaml.safe_load((ROOT / "prefect.yaml").read_text())
DEPLOYMENTS = {one["name"]: one for one in WRITTEN["deployments"]}
KEYS = {
    *("name", "description", "tags", "entrypoint", "work_pool"),
    *("schedules", "concurrency_limit", "parameters"),
}

SHARES = DEPLOYMENTS["join"]
STARTED = {name: one for name, one in DEPLOYMENTS.items() if one is not SHARES}

each = pytest.mark.parametrize("deployment", DEPLOYMENTS.values(), ids=DEPLOYMENTS)
each_that_is_started = pytest.mark.parametrize("deployment", STARTED.values(), ids=STARTED)


def flow_of(deployment) -> Flow:
    return load_flow_from_entrypoint(deployment["entrypoint"], use_placeholder_flow=False)


def test_prefect_reads_the_file():
    assert len(PrefectYamlModel.model_validate(WRITTEN).deployments) == 5


def test_the_four_deployments_and_the_one_that_shares_their_runs_are_there():
    assert set(DEPLOYMENTS) == {"nightly", "backfill", "bulk", "reconcile", "join"}


def test_workers_are_called_by_the_name_that_is_deployed():
    assert f"{flow_of(SHARES).name}/{SHARES['name']}" == JOIN


@each
def test_no_key_is_misspelled(deployment):
    assert set(deployment) <= KEYS
    assert set(deployment["work_pool"]) == {"name"}
    limit = deployment.get("concurrency_limit", {"limit": 1, "collision_strategy": "ENQUEUE"})
    assert set(limit) == {"limit", "collision_strategy"}


@each
def test_entrypoints_are_modules_so_that_no_class_exists_twice(deployment):
    assert ":" not in deployment["entrypoint"]
    module, _, name = deployment["entrypoint"].rpartition(".")
    assert flow_of(deployment) is getattr(__import__(module, fromlist=[name]), name)


@each
def test_the_flow_and_the_form_take_the_parameters(deployment):
    flow = flow_of(deployment)
    parameters = deployment.get("parameters", {})

    if deployment is SHARES:  # Prefect fills it in when it is started
        parameters = {"sharing": {"run_id": "0b6a1f7e-7a55-4f5c-8f0c-3d1b8f0f2a11"}}
    flow.validate_parameters(parameters)
    schema = flow.parameters.model_dump()
    jsonschema.validate(parameters, schema | {"additionalProperties": False})


@each
def test_schedules_make_sense_in_a_zone_that_exists(deployment):
    for schedule in deployment["schedules"]:
        ZoneInfo(schedule["timezone"])
        assert CronSchedule(cron=schedule["cron"], timezone=schedule["timezone"])


@each_that_is_started
def test_two_runs_of_a_deployment_never_overlap(deployment):
    limit = deployment["concurrency_limit"]

    assert limit["limit"] == 1
    ConcurrencyLimitStrategy(limit["collision_strategy"])


@each_that_is_started
def test_what_spends_has_a_cap_and_is_tagged(deployment):
    buys = deployment["entrypoint"] == "flows.deployments.catalog_videos"

    assert buys == ("paid" in deployment["tags"])
    assert buys == ("budget_usd" in deployment.get("parameters", {}).get("spending", {}))


def test_a_night_skips_and_a_backlog_waits():
    strategies = {
        name: one["concurrency_limit"]["collision_strategy"] for name, one in STARTED.items()
    }

    assert strategies["nightly"] == "CANCEL_NEW"
    assert strategies["backfill"] == "ENQUEUE"


def test_backfilling_begins_only_when_somebody_switches_it_on():
    active = {
        name: [schedule["active"] for schedule in one["schedules"]] for name, one in STARTED.items()
    }

    assert active == {"nightly": [True], "backfill": [False], "bulk": [], "reconcile": [True]}


def test_no_folder_of_any_machine_is_written_down():
    text = (ROOT / "prefect.yaml").read_text()

    assert not [word for word in text.split() if word.strip('"').startswith(("/", "~"))]


def test_forms_explain_every_field():
    flows = [flow_of(DEPLOYMENTS["nightly"]), flow_of(SHARES)]
    forms = {name: form for flow in flows for name, form in flow.parameters.definitions.items()}
    groups = {name: form for name, form in forms.items() if form["type"] == "object"}

    assert set(groups) == {"Videos", "Questions", "Spending", "Pace", "Sharing"}
    for form in groups.values():
        for name, field in form["properties"].items():
            assert field.get("description"), name
