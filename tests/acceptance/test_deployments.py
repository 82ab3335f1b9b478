"""A night as operators have it: a clone, a server, a worker in another folder, a bucket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from deployment import audit_of, make_clone, sandbox_on_a_port, write_settings
from ping_switch import SECRET, listening_switch
from prefect_server import (
    PATIENCE_SECONDS,
    PrefectServer,
    Worker,
    running_prefect,
    running_worker,
    until,
    wait_for,
)
from swift_server import SwiftServer, running_server

from tasks.sandbox.options import SandboxOptions
from tasks.sandbox.server import RunningSandbox

# One server and one worker serve all of these, so they stay on one process of the suite.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("prefect"), pytest.mark.timeout(400)]

REELCAT = Path(sys.executable).with_name("reelcat")
KEY = "wsk_a_key_that_must_not_be_seen"
CLIPS = ("plain.mp4", "silent.mp4", "plain.mkv")
ANALYSES = 2 * len(CLIPS)


@dataclass(kw_only=True)
class Machine:
    """One machine with everything on it: a clone, a Prefect server and a worker that waits."""

    prefect: PrefectServer
    clone: Path
    worker_log: Path
    #: What a worker needs to find the buckets.
    environment: dict[str, str]

    def configure(self, sandbox: RunningSandbox, **settings: str) -> None:
        """Write the .env that the next runs read."""
        own = {
            "WAVESPEED_API_KEY": KEY,
            "WAVESPEED_BASE_URL": sandbox.base_url,
            "REELCAT_POLL_INTERVAL": "0.2",
            "REELCAT_SETTLE_DELAY": "0",
        }
        write_settings(self.clone, **own | settings)

    def start(self, name: str, *, queue: str | None = None, **parameters: Any) -> str:
        """Ask for a run of a deployment, as a scheduler would, and return its id."""
        flow = "reconcile-account" if name == "reconcile" else "catalog-videos"
        deployment = self.prefect.deployment(f"{flow}/{name}")
        return self.prefect.start(deployment["id"], queue=queue, **parameters)

    @contextlib.contextmanager
    def another_worker(self) -> Iterator[Worker]:
        """A second worker, which takes only what is put into its own queue."""
        name = "another"
        with running_worker(
            self.prefect,
            cwd=self.clone,
            log=self.worker_log,
            environment=self.environment,
            name=name,
            queue=name,
        ) as worker:
            wait_for(self.prefect, worker)
            yield worker

    def count(self, query: str, catalog: str = "reelcat.db") -> int:
        """Ask a catalog that lies in the clone."""
        path = self.clone / catalog
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return connection.execute(query).fetchone()[0]


@pytest.fixture(scope="module")
def archive(clips) -> Iterator[SwiftServer]:
    """A bucket with three films, one of them twice, and a file that is none."""
    server = running_server()
    client = server.client()
    client.create_bucket(Bucket="nights")
    for name in CLIPS:
        client.put_object(Bucket="nights", Key=f"2009/{name}", Body=clips[name].read_bytes())
    client.put_object(Bucket="nights", Key="copy.mp4", Body=clips["plain.mp4"].read_bytes())
    client.put_object(Bucket="nights", Key="broken.mp4", Body=b"not a film" * 1000)
    return server


@pytest.fixture(scope="module")
def machine(tmp_path_factory, archive: SwiftServer) -> Iterator[Machine]:
    """Everything deployed from a clone; the worker was started in another folder."""
    clone = tmp_path_factory.mktemp("home") / "clone"
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    make_clone(clone)
    log = elsewhere / "worker.log"
    buckets = archive.environment()
    with (
        running_prefect(tmp_path_factory.mktemp("prefect")) as prefect,
        running_worker(
            prefect, cwd=elsewhere, log=log, environment=buckets, queue="default"
        ) as worker,
    ):
        wait_for(prefect, worker)
        prefect.command("deploy", "--all", cwd=clone)
        yield Machine(prefect=prefect, clone=clone, worker_log=log, environment=buckets)


@dataclass(kw_only=True)
class Night:
    """How one night ended, and what the provider's books say of it."""

    run: dict[str, Any]
    audit: dict[str, Any]
    #: What the dead-man's switch heard.
    heard: list[str]


@pytest.fixture(scope="module")
def night(machine: Machine) -> Night:
    """A night in which all of the bucket is new."""
    books = SandboxOptions(api_key=KEY, latency_scale=0)
    with sandbox_on_a_port(books) as sandbox, listening_switch() as switch:
        machine.configure(sandbox, REELCAT_SOURCES="s3://nights", REELCAT_PING_URL=switch.url)
        run = machine.prefect.ended(machine.start("nightly"))
        return Night(run=run, audit=audit_of(sandbox), heard=switch.heard)


def test_a_night_with_a_broken_file_is_completed_and_says_so(machine, night):
    state = night.run["state"]

    assert state["type"] == "COMPLETED", machine.worker_log.read_text()
    assert state["message"] == "Done. 1 thing needs a look."


def test_a_night_tells_the_switch_of_its_start_and_its_end(machine, night):
    assert night.heard == ["/start", ""]
    assert not machine.prefect.holds(SECRET)
    assert SECRET not in machine.worker_log.read_text()


def test_catalog_and_audit_agree_on_every_analysis_and_cent(machine, night):
    charged = machine.count("select sum(amount_micros) from ledger_entries")

    assert night.audit["accepted"] == ANALYSES
    assert machine.count("select count(*) from predictions where status = 'completed'") == ANALYSES
    assert charged == night.audit["billed_micros"] > 0
    assert night.audit["duplicates"] == night.audit["unread"] == night.audit["orphaned"] == 0


def test_task_runs_are_batches_not_videos(machine, night):
    def names() -> set[str]:
        return {one["name"] for one in machine.prefect.task_runs(night.run["id"])}

    buying = f"predict-1 ({ANALYSES} analyses)"
    whole = {"discover s3://nights", "probe-1 (5 files)", buying, "settle"}
    until(lambda: names() >= whole, "all task runs are recorded")
    assert names() == whole


def test_progress_report_spending_and_failures_are_on_the_page(machine, night):
    shown = machine.prefect.artifacts(night.run["id"])

    assert set(shown) == {
        "catalog-videos-progress",
        "catalog-videos-report",
        "catalog-videos-spending",
        "catalog-videos-failures",
    }
    assert shown["catalog-videos-progress"]["data"] == 100
    assert "6 completed" in shown["catalog-videos-report"]["data"]
    run, day, _ = json.loads(shown["catalog-videos-spending"]["data"])
    assert (run["limit"], run["committed"]) == ("$5.00", "$0.03")
    assert (day["limit"], day["committed"]) == ("none", "$0.03")
    failures = json.loads(shown["catalog-videos-failures"]["data"])
    assert [row["what"] for row in failures] == ["s3://nights/broken.mp4"]


def test_prefect_is_told_no_key_and_no_signed_address(machine, night):
    assert machine.prefect.holds("catalog-videos")  # it is looked for in the right place
    for secret in (KEY, "X-Amz-Signature", "AWSAccessKeyId"):
        assert not machine.prefect.holds(secret)
        assert secret not in machine.worker_log.read_text()


def test_schedules_that_are_on_have_runs_waiting(machine):
    def waiting() -> set[str]:
        scheduled = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
        runs = machine.prefect.ask("POST", "/flow_runs/filter", scheduled)
        return {run["deployment_id"] for run in runs if run["auto_scheduled"]}

    on = {"catalog-videos/nightly", "reconcile-account/reconcile"}
    expected = {machine.prefect.deployment(name)["id"] for name in on}
    until(lambda: waiting() >= expected, "runs are scheduled")
    assert waiting() == expected


def test_a_misspelled_parameter_is_refused_before_a_run_begins(machine):
    nightly = machine.prefect.deployment("catalog-videos/nightly")["id"]

    for wrong in (
        {"spending": {"budget": "5"}},
        {"spending": {"budget_usd": "five"}},
        {"videos": {"limit": 0}},
        {"videos": {"sources": ["https://store.example/a.mp4?X-Amz-Signature=0a1b"]}},
    ):
        with pytest.raises(Exception, match="409 Conflict"):
            machine.prefect.start(nightly, **wrong)


def test_what_a_cancelled_run_left_out_is_collected_by_the_next(machine):
    slow = SandboxOptions(api_key=KEY, latency_scale=100, control=True)
    with sandbox_on_a_port(slow) as sandbox:
        machine.configure(
            sandbox, REELCAT_SOURCES="s3://nights", REELCAT_DATABASE_URL="sqlite:///second.db"
        )
        cancelled = machine.start("nightly")
        until(lambda: audit_of(sandbox)["accepted"] == ANALYSES, "all is submitted")
        state = {"state": {"type": "CANCELLING"}}
        machine.prefect.ask("POST", f"/flow_runs/{cancelled}/set_state", state)
        first = machine.prefect.ended(cancelled)
        asyncio.run(sandbox.advance(24 * 3600))
        second = machine.prefect.ended(machine.start("reconcile"))
        audit = audit_of(sandbox)

    report = machine.prefect.artifacts(cancelled)["catalog-videos-report"]["data"]
    assert first["state_type"] == "CANCELLED"
    assert report.startswith("**Cancelled. What is still out is collected by the next run")
    assert second["state_type"] == "COMPLETED", machine.worker_log.read_text()
    assert audit["accepted"] == audit["completed"] == ANALYSES
    assert audit["unread"] == audit["duplicates"] == 0
    done = "select count(*) from predictions where status = 'completed'"
    assert machine.count(done, "second.db") == ANALYSES


def test_the_command_line_gets_its_report_and_its_errors_back_from_a_flow(machine, clips, tmp_path):
    def reelcat_run(source: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [REELCAT, "run", source, "--provider", "offline", "--json"],
            cwd=tmp_path,
            env=machine.prefect.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )

    films, missing = tmp_path / "films", tmp_path / "missing"
    films.mkdir()
    shutil.copy(clips["plain.mp4"], films)
    done, refused = reelcat_run(films), reelcat_run(missing)
    runs = {
        run["parameters"]["videos"]["sources"][0]: run
        for run in machine.prefect.ask("POST", "/flow_runs/filter", {})
        if run["parameters"].get("videos", {}).get("sources")
    }
    sentence = f"{missing}: there is no such folder or file; check the path."

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["analyses"]["completed"] == 2
    assert runs[str(films)]["state_type"] == "COMPLETED"
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == f"reelcat: {sentence}\n"
    assert str(missing) not in runs  # a mistake of usage leaves no run behind


def test_two_nights_never_overlap_and_the_one_that_goes_on_is_not_disturbed(machine):
    with sandbox_on_a_port(slow()) as sandbox:
        machine.configure(
            sandbox, REELCAT_SOURCES="s3://nights", REELCAT_DATABASE_URL="sqlite:///overlap.db"
        )
        first = machine.start("nightly")
        until(lambda: audit_of(sandbox)["accepted"] == ANALYSES, "the first night buys")
        second = machine.prefect.ended(machine.start("nightly"))
        asyncio.run(sandbox.advance(24 * 3600))
        first = machine.prefect.ended(first)
        audit = audit_of(sandbox)

    assert second["state_type"] == "CANCELLED"
    assert second["state"]["message"] == "Deployment concurrency limit reached."
    assert first["state_type"] == "COMPLETED", machine.worker_log.read_text()
    assert (audit["accepted"], audit["duplicates"]) == (ANALYSES, 0)


def test_a_second_backfill_waits_until_the_first_has_ended_and_goes_on(machine):
    with sandbox_on_a_port(slow()) as sandbox:
        machine.configure(
            sandbox, REELCAT_SOURCES="s3://nights", REELCAT_DATABASE_URL="sqlite:///waits.db"
        )
        few = {"order": "path", "limit": 1}
        first = machine.start("backfill", videos=few, spending={"budget_usd": "25"})
        until(lambda: audit_of(sandbox)["accepted"] == 2, "the first one buys")
        second = machine.start("backfill")

        def waits() -> bool:
            state = machine.prefect.ask("GET", f"/flow_runs/{second}")["state"]
            return state["name"] == "AwaitingConcurrencySlot"

        until(waits, "the second one waits")
        asyncio.run(sandbox.advance(24 * 3600))
        first = machine.prefect.ended(first)
        until(lambda: audit_of(sandbox)["accepted"] == ANALYSES, "the second one goes on")
        asyncio.run(sandbox.advance(24 * 3600))
        second = machine.prefect.ended(second)
        audit = audit_of(sandbox)

    assert first["state_type"] == second["state_type"] == "COMPLETED"
    assert first["end_time"] <= second["start_time"]
    assert (audit["completed"], audit["duplicates"]) == (ANALYSES, 0)


def test_a_bulk_job_describes_what_its_list_names_and_spends_what_it_may(machine):
    with sandbox_on_a_port(SandboxOptions(api_key=KEY, latency_scale=0)) as sandbox:
        machine.configure(sandbox, REELCAT_DATABASE_URL="sqlite:///bulk.db")
        names = [f"s3://nights/2009/{name}" for name in CLIPS]
        (machine.clone / "bulk.txt").write_text("\n".join(names))
        run = machine.prefect.ended(machine.start("bulk", spending={"budget_usd": "0.01"}))
        audit = audit_of(sandbox)

    assert run["state_type"] == "COMPLETED", machine.worker_log.read_text()
    left = ANALYSES - 2
    assert run["state"]["message"] == (
        f"Done as far as the budget goes; {left} analyses are left for the next run."
    )
    assert audit["billed_micros"] == 10_000


def test_a_worker_that_is_told_to_stop_leaves_what_is_out_to_the_next_run(machine):
    with sandbox_on_a_port(slow()) as sandbox, machine.another_worker() as worker:
        machine.configure(
            sandbox, REELCAT_SOURCES="s3://nights", REELCAT_DATABASE_URL="sqlite:///told.db"
        )
        stopped = machine.start("nightly", queue=worker.name)
        until(lambda: audit_of(sandbox)["accepted"] == ANALYSES, "all is submitted")
        worker.stop()
        asyncio.run(sandbox.advance(24 * 3600))

        def is_told() -> bool:
            """Whoever is ended before it can tell Prefect is told of by a later run."""
            done = machine.prefect.ended(machine.start("reconcile"))
            assert done["state_type"] == "COMPLETED", machine.worker_log.read_text()
            first = machine.prefect.ask("GET", f"/flow_runs/{stopped}")
            return first["state_type"] in {"CANCELLED", "CRASHED"}

        until(is_told, "the run that was told to stop has ended for Prefect, too")
        audit = audit_of(sandbox)

    assert audit["completed"] == ANALYSES
    assert audit["unread"] == audit["duplicates"] == 0


def test_a_night_whose_machine_is_gone_frees_the_next_one_when_another_run_finds_it_dead(machine):
    with sandbox_on_a_port(slow()) as sandbox, machine.another_worker() as worker:
        machine.configure(
            sandbox, REELCAT_SOURCES="s3://nights", REELCAT_DATABASE_URL="sqlite:///gone.db"
        )
        gone = machine.start("nightly", queue=worker.name)
        until(lambda: audit_of(sandbox)["accepted"] == ANALYSES, "all is submitted")
        worker.kill()
        stuck = machine.prefect.ended(machine.start("nightly"))
        still = machine.prefect.ask("GET", f"/flow_runs/{gone}")["state_type"]
        asyncio.run(sandbox.advance(24 * 3600))
        collected = machine.prefect.ended(machine.start("reconcile"))
        buried = machine.prefect.ended(gone)
        night = machine.prefect.ended(machine.start("nightly"))
        audit = audit_of(sandbox)

    assert (still, stuck["state_type"]) == ("RUNNING", "CANCELLED")
    assert collected["state_type"] == "COMPLETED", machine.worker_log.read_text()
    assert buried["state_type"] == "CRASHED"
    assert night["state_type"] == "COMPLETED", machine.worker_log.read_text()
    assert (audit["completed"], audit["duplicates"], audit["unread"]) == (ANALYSES, 0, 0)


def slow() -> SandboxOptions:
    """A provider that answers nothing before its clock is put ahead."""
    return SandboxOptions(api_key=KEY, latency_scale=100, control=True)
