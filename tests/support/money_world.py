"""A small world in which money can go wrong: films, a catalog, and a provider that misbehaves.

Everything is real: the engine of `flows.pipeline.run`, a catalog, the sandbox on a port.
Only waiting is short, and the clock, which the sandbox shares, can be put ahead.

`World.check` holds the three books against each other (tests/support/money_books.py). Tests call
it after whatever they did, and then say what is special.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from money_books import FILMS, Books, read_books
from pydantic import SecretStr
from sqlalchemy.orm import Session

from catalog import budgets, locations, scans, videos
from catalog.budget_limits import DAY, MONTH
from catalog.database import connect
from catalog.money import dollars
from catalog.values import (
    AnalysisStatus,
    AnalysisType,
    DurationSource,
    Inspection,
    Probe,
    ProbeStatus,
    utc_now,
)
from catalog.videos import Look
from flows.pipeline.reconcile import reconcile
from flows.pipeline.report import RunReport
from flows.pipeline.request import RunRequest
from flows.pipeline.run import run
from flows.pipeline.runner import LocalRunner, RunContext, Runner
from flows.settings import Settings
from flows.wiring import Tempo, open_services
from tasks.media.fingerprint import content_id
from tasks.runtime.services import Services, Waits
from tasks.runtime.stats import RunStats
from tasks.sandbox.faults import Fault, FaultPlan, Scripted
from tasks.sandbox.options import Mode, SandboxOptions
from tasks.sandbox.server import RunningSandbox, running_sandbox
from tasks.storage.registry import Stores
from tasks.storage.source import parse_source
from tasks.wavespeed.connection import Limits

#: What every film lasts unless a world says otherwise, and what one analysis of it costs.
SECONDS = 3
PRICE = 5_000
BUDGET = 1_000_000

#: So short that a provider that never answers costs a test little.
HASTY = Limits(
    connect_seconds=2.0,
    submit_read_seconds=0.4,
    read_seconds=0.4,
    upload_seconds=0.4,
    tries=3,
    backoff_seconds=0.001,
)
SOON = Waits(pause=0.01, most_pause=0.05, ask_again=0.02, grace=0.2)
POLL_SECONDS = 0.02
SETTLE_SECONDS = 0.15

HOUR = timedelta(hours=1)
DAY_LONG = timedelta(days=1)


class MovingClock:
    """The time of day, which can be put ahead."""

    def __init__(self, start: datetime | None = None) -> None:
        self._prefetch = timedelta(0) if start is None else start - utc_now()

    def __call__(self) -> datetime:
        return utc_now() + self._prefetch

    def advance(self, span: timedelta) -> None:
        self._prefetch += span


def once(fault: Fault, *, first: int = 1) -> Scripted:
    """The fault strikes one event of its stage."""
    return Scripted(fault=fault, first=first)


def always(fault: Fault) -> Scripted:
    """The fault strikes every event of its stage."""
    return Scripted(fault=fault, times=None)


def faulty(*script: Scripted | Fault) -> FaultPlan:
    """A plan of these; a bare fault strikes once."""
    return FaultPlan(script=tuple(once(s) if isinstance(s, Fault) else s for s in script))


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A call of the command line that is over."""

    code: int
    out: str
    err: str


@dataclass(kw_only=True)
class World:
    """One archive, one catalog, one account."""

    folder: Path
    catalog_url: str
    sandbox: RunningSandbox
    clock: MovingClock
    settings: Settings
    tempo: Tempo
    #: What became of each run so far.
    reports: list[RunReport] = field(default_factory=list)

    async def run(
        self,
        *,
        budget: int | None = BUDGET,
        tasks: Sequence[AnalysisType] = (AnalysisType.SUMMARY,),
        runner: Runner | None = None,
        shares: str | None = None,
        check: bool = True,
        **fields: Any,
    ) -> RunReport:
        """Run once over the whole archive, and check the books."""
        request = RunRequest.of(
            sources=(str(self.folder),),
            tasks=tuple(tasks),
            budget_usd=None if budget is None else str(dollars(budget)),
            provider="wavespeed",
            **fields,
        )
        async with self.services(request) as services:
            report = await run(request, self.context(services, runner, shares=shares))
        return await self._reported(report, check=check)

    async def reconcile(self, *, check: bool = True, **asked: Any) -> RunReport:
        """Reconcile, and check the books."""
        request = RunRequest.of(provider="wavespeed")
        async with self.services(request) as services:
            report = await reconcile(request, self.context(services), **asked)
        return await self._reported(report, check=check)

    async def _reported(self, report: RunReport, *, check: bool) -> RunReport:
        self.reports.append(report)
        if check:
            await self.check()
        return report

    def services(self, request: RunRequest) -> AbstractAsyncContextManager[Services]:
        """What every run works with, with short waits and this world's clock."""
        return open_services(self.settings, request, self.tempo)

    def context(
        self, services: Services, runner: Runner | None = None, *, shares: str | None = None
    ) -> RunContext:
        """What one run's steps are handed."""
        return RunContext(
            settings=self.settings,
            services=services,
            runner=runner or LocalRunner(),
            stats=RunStats(),
            shares=shares,
        )

    def change(self, **settings: Any) -> None:
        """Go on with other settings."""
        self.settings = self.settings.model_copy(update=settings)

    async def reelcat(self, *arguments: str, **environment: str) -> Ended:
        """Call the command line in another process, as somebody at this catalog would."""
        ours = ("REELCAT_", "WAVESPEED_", "AWS_", "PREFECT_")
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
        settings = {
            "REELCAT_DATABASE_URL": self.catalog_url,
            "REELCAT_POLL_INTERVAL": str(POLL_SECONDS),
            "REELCAT_SETTLE_DELAY": str(SETTLE_SECONDS),
            "WAVESPEED_API_KEY": self.sandbox.api_key,
            "WAVESPEED_BASE_URL": self.sandbox.base_url,
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", "from flows.cli import main; main()", *arguments),
            cwd=self.folder.parent,
            env=inherited | settings | environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 60)
        return Ended(code=process.returncode or 0, out=out.decode(), err=err.decode())

    async def strike(self, *script: Scripted | Fault) -> None:
        """Go on under these faults, or under none."""
        await self.sandbox.set_faults(*faulty(*script).script)

    def read(self, ask: Callable[[Session], Any]) -> Any:
        """Ask the catalog."""
        with closing(connect(self.catalog_url)) as catalog, catalog.read() as session:
            return ask(session)

    async def books(self) -> Books:
        """Read all three."""
        audit, accepted = await self.sandbox.audit(), await self.sandbox.predictions()
        return self.read(lambda session: read_books(session, audit, accepted))

    async def check(self) -> Books:
        """Hold the books against each other; whatever happened, none of this may be wrong."""
        books = await self.books()
        assert not books.problems, books.problems
        return books

    async def check_all_done(self, *, accepted: int, charged: int | None = None) -> Books:
        """Check that everything was described and paid for, and that no money is still out."""
        books = await self.check()
        assert set(books.analyses) == {AnalysisStatus.COMPLETED}
        assert books.audit["accepted"] == accepted
        assert books.audit["unread"] == 0
        assert books.totals.held == 0
        assert books.totals.charged == books.audit["billed_micros"]
        assert charged is None or books.totals.charged == charged
        return books


def make_films(folder: Path, catalog_url: str, *, count: int, seconds: int, now: datetime) -> None:
    """Write films, and a catalog that has looked at each of them already."""
    folder.mkdir()
    for number in range(count):
        path = folder / f"film-{number:03}.mp4"
        content = f"film {number} of {folder}".encode()
        path.write_bytes(content)
        called = content_id(io.BytesIO(content), len(content))
        FILMS[called] = f"sha256:{hashlib.sha256(content).hexdigest()}"
        os.utime(path, (1_700_000_000 + number,) * 2)
    source = parse_source(str(folder))
    listings = list(Stores().lister(source).list())

    def look(session: Session) -> None:
        scope = locations.register(session, source.uri, source.kind)
        scans.record_page(session, scope, listings, now=now)
        for one in locations.unlooked(session, [scope], after_uri="", limit=count):
            content = (folder / one.listing.name).read_bytes()
            inspection = Inspection(
                content_id=content_id(io.BytesIO(content), len(content)),
                size=one.listing.size,
                probe=Probe(
                    status=ProbeStatus.OK,
                    engine="test",
                    duration_seconds=Decimal(seconds),
                    duration_source=DurationSource.HEADER,
                ),
                bytes_read=one.listing.size,
                requests=0,
            )
            looked = Look(location=one, inspection=inspection, now=now)
            videos.record_inspections(session, [looked])

    with closing(connect(catalog_url)) as catalog:
        catalog.write(look)


@asynccontextmanager
async def open_world(
    folder: Path,
    catalog_url: str,
    *script: Scripted | Fault,
    films: int = 3,
    seconds: int = SECONDS,
    start: datetime | None = None,
    limits: Limits = HASTY,
    settings: dict[str, Any] | None = None,
    faults: FaultPlan | None = None,
    **sandbox: Any,
) -> AsyncIterator[World]:
    """Open a world of so many films under these faults."""
    clock = MovingClock(start)
    make_films(folder, catalog_url, count=films, seconds=seconds, now=clock())
    options = SandboxOptions(
        **{
            "mode": Mode.CANNED,
            "latency_scale": 0,
            "canned_seconds": Decimal(seconds),
            "control": True,
            "stall_seconds": 5.0,
            "retry_after_seconds": 0,
            "faults": faults or faulty(*script),
        }
        | sandbox
    )
    async with running_sandbox(options, clock=clock) as running:
        yield World(
            folder=folder,
            catalog_url=catalog_url,
            sandbox=running,
            clock=clock,
            settings=settings_for(running, catalog_url, **(settings or {})),
            tempo=Tempo(clock=clock, waits=SOON, requests=limits),
        )


def settings_for(sandbox: RunningSandbox, catalog_url: str, **changes: Any) -> Settings:
    """The settings of somebody who uses this sandbox, and nothing of the environment's."""
    return Settings(
        _env_file=None,
        **{
            "database_url": catalog_url,
            "wavespeed_api_key": SecretStr(sandbox.api_key),
            "wavespeed_base_url": sandbox.base_url,
            "poll_interval": POLL_SECONDS,
            "settle_delay": SETTLE_SECONDS,
            "wait_minutes": 20 / 60,
            "probe_engine": "pyav",
            "probe_workers": 1,
            "tier": "ultra",
        }
        | changes,
    )


def set_budget(world: World, *, day: int | None = None, month: int | None = None) -> None:
    """Set standing limits, as `reelcat budget` does before a day has begun."""
    with closing(connect(world.catalog_url)) as catalog:
        for scope, limit in ((DAY, day), (MONTH, month)):
            if limit is not None:
                catalog.write(lambda s, sc=scope, li=limit: budgets.set_limit(s, [sc], li))
