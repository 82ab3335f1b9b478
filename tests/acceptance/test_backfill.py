"""A backfill as it is left alone: several workers, one of which dies, and everything else real.

PostgreSQL, an S3 server, the sandbox, a Prefect server, a process work pool with three workers, and
prefect.yaml as it is.
"""

from __future__ import annotations

import contextlib
import struct
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import psutil
import pytest
from deployment import audit_of, make_clone, sandbox_on_a_port, write_settings
from prefect_server import running_prefect, running_worker, until, wait_for
from sqlalchemy import func, select
from swift_server import running_server

from catalog import ledger
from catalog.database import connect
from catalog.lifecycle import LIVE
from catalog.models import Analysis, Budget, Location, Prediction, Run
from catalog.values import AnalysisStatus, ProbeStatus, utc_now
from tasks.sandbox.options import Mode, SandboxOptions

# Three workers on one SQLite of Prefect's: next to other tests on two processors, the server is too
# late for its own timeouts.
pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.timeout(1500)]

KEY = "wsk_a_key_for_a_backfill"
OBJECTS = 1_000
ANALYSES = 2 * OBJECTS
#: What one analysis of so short a clip costs. The budget is what everything costs, to the cent.
PRICE_MICROS = 5_000
BUDGET_USD = "10"
BUDGET_MICROS = 10_000_000
WORKERS = 3
ANSWER_SECONDS = 2.0
#: Of the real pace: of 150 that last two seconds each, four end in a second then.
SLOWNESS = 0.05
#: On a busy machine all of it takes its time.
PATIENCE_SECONDS = 600.0


def films(clip: bytes) -> list[bytes]:
    """Films that are one clip, each with another number in a box that no player looks at."""
    return [clip + struct.pack(">I4sQ", 16, b"free", number) for number in range(OBJECTS)]


def fill(server, clip: bytes) -> None:
    client = server.client()
    client.create_bucket(Bucket="backlog")

    def put(numbered: tuple[int, bytes]) -> None:
        number, film = numbered
        key = f"{2001 + number % 9}/film-{number:05}.mp4"
        client.put_object(Bucket="backlog", Key=key, Body=film)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(put, enumerate(films(clip))))


class HeldClock:
    """The provider's clock: it stands still, then goes slowly, until it is let go.

    While it stands nothing is completed, so that the run that called others has not done everything
    by itself, however late they come. It has taken all the room that there is by then, so for them
    to get any, some has to be completed.
    """

    def __init__(self) -> None:
        self._held_at: datetime | None = utc_now()
        self._slow_since: datetime | None = None

    def __call__(self) -> datetime:
        if self._held_at is None:
            return utc_now()
        if self._slow_since is None:
            return self._held_at
        return self._held_at + SLOWNESS * (utc_now() - self._slow_since)

    def go_slowly(self) -> None:
        self._slow_since = utc_now()

    def let_go(self) -> None:
        self._held_at = None


@dataclass(kw_only=True)
class Ended:
    """What is true after it."""

    host: dict[str, Any]
    guests: list[dict[str, Any]]
    victim: str
    audit: dict[str, Any]
    catalog_url: str
    artifacts: dict[str, dict[str, Any]]

    def ask(self, query):
        with contextlib.closing(connect(self.catalog_url)) as catalog, catalog.read() as session:
            return query(session)


@pytest.fixture(scope="module")
def backfill(tmp_path_factory, clips, postgresql_shelf):
    clip = clips.make(
        "tiny.mp4",
        *("-f", "lavfi", "-i", "testsrc=duration=0.2:size=32x32:rate=5"),
        *("-c:v", "libx264", "-pix_fmt", "yuv420p"),
    ).read_bytes()
    clone = make_clone(tmp_path_factory.mktemp("home") / "clone")
    logs = tmp_path_factory.mktemp("logs")
    catalog_url = postgresql_shelf.made()
    server = running_server()
    filling = ThreadPoolExecutor(1).submit(fill, server, clip)  # while the others start
    sandbox_options = SandboxOptions(
        api_key=KEY,
        mode=Mode.CANNED,
        canned_seconds=Decimal("0.2"),
        latency_mean_seconds=ANSWER_SECONDS,
        balance_micros=10 * BUDGET_MICROS,
    )
    clock = HeldClock()
    with (
        sandbox_on_a_port(sandbox_options, clock=clock) as sandbox,
        running_prefect(tmp_path_factory.mktemp("prefect")) as prefect,
        contextlib.ExitStack() as stack,
    ):
        write_settings(
            clone,
            WAVESPEED_API_KEY=KEY,
            WAVESPEED_BASE_URL=sandbox.base_url,
            REELCAT_DATABASE_URL=catalog_url,
            REELCAT_SOURCES="s3://backlog",
            REELCAT_TIER="ultra",
            REELCAT_POLL_INTERVAL="1",
            REELCAT_SETTLE_DELAY="1",
            REELCAT_PROBE_WORKERS="1",
        )
        workers = [
            stack.enter_context(
                running_worker(
                    prefect,
                    cwd=logs,
                    log=logs / f"{name}.log",
                    environment=server.environment(),
                    name=name,
                    limit=1,
                )
            )
            for name in ("one", "two", "three")
        ]
        wait_for(prefect, *workers)
        prefect.command("deploy", "--all", cwd=clone)
        filling.result()
        deployment = prefect.deployment("catalog-videos/backfill")
        started = prefect.start(
            deployment["id"],
            spending={"budget_usd": BUDGET_USD},
            pace={"workers": WORKERS, "concurrency": 150},
        )
        until(
            lambda: all_have_joined(catalog_url) or prefect.has_ended(started),
            "all workers join",
            PATIENCE_SECONDS,
        )
        assert all_have_joined(catalog_url), prefect.logged(started)
        clock.go_slowly()
        victim = killed_guest(prefect, started, workers, catalog_url)
        clock.let_go()
        host = prefect.ended(started, PATIENCE_SECONDS)
        guests = [
            prefect.ended(guest["id"], PATIENCE_SECONDS) for guest in prefect.runs("join-run/join")
        ]
        yield Ended(
            host=host,
            guests=guests,
            victim=victim,
            audit=audit_of(sandbox),
            catalog_url=catalog_url,
            artifacts=prefect.artifacts(started),
        )
    postgresql_shelf.drop(catalog_url)


def all_have_joined(catalog_url) -> bool:
    with contextlib.closing(connect(catalog_url)) as catalog, catalog.read() as session:
        return session.scalar(select(func.count()).select_from(Run)) == WORKERS


def killed_guest(prefect, started, workers, catalog_url) -> str:
    """Kill a worker once its guest run has predictions at the provider; give its flow run's id."""
    at_work: list[str] = []

    def one_is_at_work() -> bool:
        query = (
            select(Run.flow_run_id)
            .distinct()
            .join(Prediction, Prediction.owner_run_id == Run.id)
            .where(
                Prediction.run_id != Run.id,
                Prediction.provider_id.is_not(None),
                Run.finished_at.is_(None),
            )
        )
        with contextlib.closing(connect(catalog_url)) as catalog, catalog.read() as session:
            at_work[:] = session.scalars(query)
        return bool(at_work) or prefect.has_ended(started)

    until(one_is_at_work, "a guest has something at the provider", PATIENCE_SECONDS)
    assert at_work, prefect.logged(started)
    flow_run = prefect.ask("GET", f"/flow_runs/{at_work[0]}")
    pid = int(flow_run["infrastructure_pid"].rpartition(":")[2])
    (worker,) = [one for one in workers if psutil.Process(pid) in one.family()]
    worker.kill()
    return at_work[0]


def test_every_analysis_is_completed_once_and_the_books_agree_to_the_cent(backfill):
    statuses = backfill.ask(
        lambda session: dict(
            session.execute(select(Analysis.status, func.count()).group_by(Analysis.status)).all()
        )
    )
    charged = backfill.ask(ledger.totals)

    assert statuses == {AnalysisStatus.COMPLETED: ANALYSES}
    assert backfill.audit["accepted"] == backfill.audit["completed"] == ANALYSES
    assert backfill.audit["duplicates"] == backfill.audit["unread"] == 0
    assert backfill.audit["orphaned"] == 0
    assert (charged.held, charged.charged) == (0, backfill.audit["billed_micros"])
    assert backfill.ask(ledger.disagreements) == []


def test_the_cap_is_kept_and_every_cent_of_it_used(backfill):
    budgets = backfill.ask(
        lambda session: session.execute(
            select(Budget.limit_micros, Budget.committed_micros).where(
                Budget.limit_micros.is_not(None)
            )
        ).all()
    )

    assert backfill.audit["billed_micros"] == BUDGET_MICROS
    assert budgets == [(BUDGET_MICROS, BUDGET_MICROS)]


def test_each_object_is_one_video_and_was_looked_at_by_one_run_or_its_heir(backfill):
    looked_at = backfill.ask(
        lambda session: session.scalar(
            select(func.count()).where(Location.probe_status == ProbeStatus.OK)
        )
    )
    claimed = backfill.ask(
        lambda session: session.scalar(select(func.count()).where(Location.claimed_by.is_not(None)))
    )
    counts = backfill.ask(
        lambda session: session.scalars(select(Run.counts).where(Run.counts.is_not(None))).all()
    )

    assert (looked_at, claimed) == (OBJECTS, 0)
    # What the one that was killed had looked at is in nobody's count.
    assert 0 < sum(one["videos"]["probed"] for one in counts) <= OBJECTS


def test_the_work_was_shared_and_the_dead_workers_share_was_taken_over(backfill):
    owners = backfill.ask(
        lambda session: session.execute(
            select(Prediction.owner_run_id, func.count())
            .where(Prediction.status.in_(LIVE))
            .group_by(Prediction.owner_run_id)
        ).all()
    )

    assert 2 <= len(owners) <= WORKERS, owners
    # A server that is too busy for ten seconds does without the report.
    report = backfill.artifacts.get("catalog-videos-report")
    assert report is None or "completed by other workers" in report["data"]


def test_prefect_knows_how_each_of_them_ended(backfill):
    states = {run["id"]: run["state_type"] for run in backfill.guests}

    assert backfill.host["state_type"] == "COMPLETED"
    assert backfill.host["state"]["message"] == "Done."
    assert states.pop(backfill.victim) == "CRASHED"
    assert set(states.values()) == {"COMPLETED"}
    assert len(states) == WORKERS - 2
