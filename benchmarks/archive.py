"""Archives to measure with: a catalog of videos that were looked at already, made in bulk.

The files are there (empty, and as the catalog remembers them), for each is looked at again before
it is sent; each was uploaded already, so that the engine is measured and not a disk.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import String, cast, func, insert, literal, select, update
from sqlalchemy.orm import Session

from catalog import locations, runs
from catalog.budget_limits import scopes_at
from catalog.models import (
    Analysis,
    Budget,
    LedgerEntry,
    Location,
    Prediction,
    SearchDocument,
    Upload,
    Video,
)
from catalog.runs import Process
from catalog.schema import open_catalog
from catalog.values import DurationSource, LedgerKind, PredictionStatus, ProbeStatus, utc_now
from tasks.storage.source import parse_source

_WRITTEN_AT = 1_600_000_000
_A_YEAR_NS = 365 * 86_400 * 1_000_000_000
_ROWS_AT_ONCE = 10_000
#: What every video lasts.
SECONDS = Decimal(10)
#: What one analysis of it cost.
_MICROS = 10_000


def build(
    folder: Path,
    database_url: str,
    *,
    videos: int,
    endpoint: str | None,
    bucket: str | None = None,
) -> None:
    """Make a catalog of so many videos in `folder`.

    With an endpoint the files are made, too, and counted as uploaded there. With a bucket each lies
    there as well, under a key that is its name; see `canned`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    source = parse_source(str(folder))
    with closing(open_catalog(database_url)) as catalog:
        scope = catalog.write(lambda session: locations.register(session, source.uri, source.kind))
        base = scope.uri.rstrip("/")
        if endpoint is not None:
            _touch(folder, videos)
        for numbers in _pages(range(videos)):
            catalog.write(
                lambda session, numbers=numbers: _insert(
                    session, numbers, scope.source_id, base, endpoint
                )
            )
        if bucket is not None:
            for numbers in _pages(range(videos)):
                rows = [_object(number, scope.source_id, bucket) for number in numbers]
                catalog.write(lambda session, rows=rows: session.execute(insert(Location), rows))


def name_of(number: int) -> str:
    """Give a video's path below the folder."""
    return f"{number // 1000:04}/clip-{number:07}.mp4"


def _touch(folder: Path, videos: int) -> None:
    for number in range(videos):
        path = folder / name_of(number)
        if number % 1000 == 0:
            path.parent.mkdir(exist_ok=True)
        path.touch()
        os.utime(path, ns=(_mtime_ns(number),) * 2)


def _mtime_ns(number: int) -> int:
    return _WRITTEN_AT * 1_000_000_000 + (number * 7919 * 1_000_000_000) % _A_YEAR_NS


def _pages(numbers: Iterable[int]) -> Iterator[list[int]]:
    rest = iter(numbers)
    while page := list(itertools.islice(rest, _ROWS_AT_ONCE)):
        yield page


def _insert(
    session: Session, numbers: list[int], source_id: int, base: str, endpoint: str | None
) -> None:
    now = utc_now()
    session.execute(insert(Video), [_video(number, now) for number in numbers])
    session.execute(
        insert(Location), [_location(number, source_id, base, now) for number in numbers]
    )
    session.execute(
        insert(SearchDocument),
        [{"video_id": number + 1, "body": f"clip {number:07} mp4"} for number in numbers],
    )
    if endpoint is not None:
        session.execute(
            insert(Upload),
            [
                {
                    "video_id": number + 1,
                    "endpoint": endpoint,
                    "download_url": f"http://127.0.0.1:9/media/clip-{number:07}.mp4",
                    "expires_at": now + timedelta(days=6),
                }
                for number in numbers
            ],
        )


def _video(number: int, now: datetime) -> dict[str, Any]:
    return {
        "id": number + 1,
        "content_id": f"sha256:{number:057x}",
        "size": 0,
        "probe_status": ProbeStatus.OK,
        "probe_engine": "benchmark",
        "container": "mp4",
        "duration_seconds": SECONDS,
        "duration_source": DurationSource.HEADER,
        "tags": {},
        "taken_at": datetime.fromtimestamp(_mtime_ns(number) / 1e9, tz=UTC),
        "added_at": now,
    }


def _location(number: int, source_id: int, base: str, now: datetime) -> dict[str, Any]:
    name = name_of(number)
    return {
        "uri": f"{base}/{name}",
        "source_id": source_id,
        "name": name,
        "size": 0,
        "mtime_ns": _mtime_ns(number),
        "video_id": number + 1,
        "probe_status": ProbeStatus.OK,
        "first_seen": now,
        "last_seen": now,
    }


def etag_of(number: int) -> str:
    """Give the ETag of a video's object."""
    return f"{number:032x}"


def modified_at(number: int) -> datetime:
    """Give when a video's object was written, in whole seconds."""
    return datetime.fromtimestamp(_mtime_ns(number) // 1_000_000_000, tz=UTC)


def _object(number: int, source_id: int, bucket: str) -> dict[str, Any]:
    name = name_of(number)
    return _location(number, source_id, "", utc_now()) | {
        "uri": f"s3://{bucket}/{name}",
        "mtime_ns": int(modified_at(number).timestamp()) * 1_000_000_000,
        "etag": etag_of(number),
        "storage_class": "STANDARD",
    }


#: A run whose predictions completed half of the analyses.
RUN = "bench"


def complete_half(session: Session) -> None:
    """Complete every second analysis: each by a prediction, held, released, charged and settled."""
    now = utc_now()
    scopes = scopes_at(now, run_id=RUN, zone=ZoneInfo("UTC"))
    runs.start(
        session,
        RUN,
        command="run",
        parameters={},
        process=Process(host="bench", pid=1, started_at=Decimal(0)),
        flow_run_id=None,
        now=now,
    )
    session.flush()
    done = Analysis.id % 2 == 0
    session.execute(update(Analysis).where(done).values(status="completed", completed_at=now))
    fixed = {
        "run_id": RUN,
        "owner_run_id": RUN,
        "endpoint": "https://api",
        "status": PredictionStatus.COMPLETED,
        "quoted_micros": _MICROS,
        "charged_micros": _MICROS,
        "price_list": "bench",
        "budget_day": scopes.day,
        "budget_month": scopes.month,
        "held_at": now,
        "submitted_at": now,
        "completed_at": now,
        "settled_at": now,
    }
    token = literal("done-") + cast(Analysis.id, String)
    values = {"token": token, "provider_id": token, "analysis_id": Analysis.id} | {
        name: literal(value, Prediction.__table__.c[name].type) for name, value in fixed.items()
    }
    session.execute(
        insert(Prediction).from_select(list(values), select(*values.values()).where(done))
    )
    for kind, amount in (
        (LedgerKind.HOLD, _MICROS),
        (LedgerKind.RELEASE, -_MICROS),
        (LedgerKind.CHARGE, _MICROS),
    ):
        columns = LedgerEntry.__table__.c
        line = {
            "prediction_id": Prediction.id,
            "kind": literal(kind, columns["kind"].type),
            "amount_micros": literal(amount),
            "at": literal(now, columns["at"].type),
            "price_list": literal("bench"),
        }
        session.execute(insert(LedgerEntry).from_select(list(line), select(*line.values())))
    spent = session.execute(select(func.count()).select_from(Prediction)).scalar_one() * _MICROS
    session.add_all(
        Budget(scope=scope, limit_micros=None, committed_micros=spent) for scope in scopes
    )
