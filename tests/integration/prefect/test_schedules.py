"""A cron schedule gives runs: Prefect's server with the database library and the clock we install.

With SQLAlchemy 2.1, and with early releases of whenever, everything looked healthy and no run came.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from prefect_server import running_prefect, until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("prefect"), pytest.mark.timeout(400)]

ZONES = ("UTC", "Europe/Berlin")


def test_a_cron_schedule_has_runs_waiting_at_its_hour_in_any_zone(tmp_path):
    with running_prefect(tmp_path) as server:
        flow = server.ask("POST", "/flows/", {"name": "nights"})["id"]
        zones = {}
        for zone in ZONES:
            schedule = {"cron": "15 12 * * *", "timezone": zone}
            deployment = {
                "name": zone.replace("/", "-"),
                "flow_id": flow,
                "schedules": [{"active": True, "schedule": schedule}],
            }
            zones[server.ask("POST", "/deployments/", deployment)["id"]] = zone
        runs: list[dict] = []

        def all_have_some() -> bool:
            runs[:] = server.ask("POST", "/flow_runs/filter", {})
            return {run["deployment_id"] for run in runs} == zones.keys()

        until(all_have_some, f"both have runs; the server says {server.log}", 120)

    for run in runs:
        zone = ZoneInfo(zones[run["deployment_id"]])
        start = datetime.fromisoformat(run["expected_start_time"])
        assert start.astimezone(zone).strftime("%H:%M") == "12:15"
