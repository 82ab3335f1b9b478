"""The counts and sums that a status asks of indexes are those of all rows, on both databases."""

from __future__ import annotations

import random
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from alembic import command
from catalog_rows import FOLDER, NOW, inspection, listing, look, probe, register, scan
from catalog_rows import start_run as begin
from catalogs import migrate
from sqlalchemy import delete, insert, select, text, update

from catalog.models import Analysis, LedgerEntry, Location, Prediction, Video
from catalog.status import report
from catalog.totals import Totals
from catalog.values import (
    AnalysisStatus,
    LedgerKind,
    PredictionStatus,
    ProbeStatus,
)


def counted(session):
    """Count every row, as nobody would want to wait for."""
    found = {}
    sums = dict.fromkeys(LedgerKind, 0)

    def add(name, amount=1):
        found[name] = found.get(name, 0) + amount

    for row in session.scalars(select(Video)):
        add(f"videos.{row.probe_status}")
    for row in session.scalars(select(Location)):
        if row.missing_since is not None:
            add("locations.missing")
        elif row.video_id is not None:
            add("locations.read")
        else:
            add("locations.unlooked" if row.probe_status is None else "locations.unread")
    for row in session.scalars(select(Analysis)):
        add(f"analyses.{row.status}")
    for row in session.scalars(select(Prediction)):
        add(f"predictions.{row.status}")
        paid = row.status is PredictionStatus.COMPLETED or row.charged_micros
        if row.settled_at is not None and paid:
            add("bill.settled")
            add("bill.quoted", row.quoted_micros)
            add("bill.charged", row.charged_micros or 0)
    for row in session.scalars(select(LedgerEntry)):
        sums[row.kind] += row.amount_micros
    held = sums[LedgerKind.HOLD] + sums[LedgerKind.RELEASE]
    money = Totals(held=held, charged=sum(sums.values()) - held, refunded=-sums[LedgerKind.REFUND])
    return {name: amount for name, amount in found.items() if amount}, money


def asked(session):
    """Give what a status says, as `counted` does."""
    found = report(session.connection(), now=NOW, zone=ZoneInfo("UTC"))
    places = found.places
    read = places.total - places.missing - places.unlooked - places.unread
    counts = {
        **{f"videos.{status}": count for status, count in found.videos.items()},
        "locations.missing": places.missing,
        "locations.read": read,
        "locations.unlooked": places.unlooked,
        "locations.unread": places.unread,
        **{f"analyses.{status}": count for status, count in found.analyses.items()},
        **{f"predictions.{status}": count for status, count in found.predictions.items()},
        "bill.settled": found.bill.settled,
        "bill.quoted": found.bill.quoted,
        "bill.charged": found.bill.charged,
    }
    return {name: amount for name, amount in counts.items() if amount}, found.money


def analysis(number, video_id):
    return {
        "id": number,
        "video_id": video_id,
        "model": "m",
        "task": "summary",
        "instructions": "",
        "instructions_hash": str(number),
        "window": "",
        "status": AnalysisStatus.WANTED,
        "attempts": 0,
    }


#: Predictions whose money is still held.
HOLDING = {
    10: PredictionStatus.HELD,
    11: PredictionStatus.UNCERTAIN,
    12: PredictionStatus.RUNNING,
    13: PredictionStatus.FAILED,
    14: PredictionStatus.EXPIRED,
}


def prediction(number):
    return {
        "id": number,
        "token": str(number),
        "analysis_id": number,
        "run_id": "run",
        "owner_run_id": "run",
        "endpoint": "e",
        "status": HOLDING.get(number, PredictionStatus.RELEASED),
        "quoted_micros": 10 * number,
        "price_list": "p",
        "budget_day": "d",
        "budget_month": "m",
        "held_at": NOW,
    }


def entry(number, kind, amount):
    return {
        "prediction_id": number,
        "kind": kind,
        "amount_micros": amount,
        "at": NOW,
        "price_list": "p",
    }


def shuffle(session, dice):
    """Change some rows in bulk, some one by one, and delete some, in ways no run would."""
    for row in session.scalars(select(Prediction).where(Prediction.id < 10)):
        row.status = dice.choice([PredictionStatus.RELEASED, PredictionStatus.FAILED])
        row.settled_at = dice.choice([None, NOW])
        row.charged_micros = dice.choice([None, 0, 7])
    session.flush()
    some = Prediction.id == dice.randint(1, 9)
    session.execute(update(Prediction).where(some).values(status=PredictionStatus.COMPLETED))
    statuses = dice.sample(list(AnalysisStatus), 2)
    session.execute(update(Analysis).where(Analysis.id < 6).values(status=statuses[0]))
    session.execute(update(Analysis).where(Analysis.id > 3).values(status=statuses[1]))
    session.execute(delete(LedgerEntry).where(LedgerEntry.prediction_id == dice.randint(1, 9)))


@pytest.fixture
def full(catalog):
    """Nine of everything."""
    scope = register(catalog)
    names = [f"{FOLDER}/{number}.mp4" for number in range(9)]
    scan(catalog, scope, [listing(name) for name in names], NOW)
    look(
        catalog,
        scope,
        lambda one: inspection(
            None if one.name in {"3.mp4", "4.mp4"} else one.name,
            probe=probe(status=ProbeStatus.NO_VIDEO if one.name == "5.mp4" else ProbeStatus.OK),
        ),
    )
    scan(catalog, scope, [listing(name) for name in names[2:]], NOW + timedelta(days=1))
    begin(catalog, "run", None)

    def fill(session):
        video_id = session.scalars(select(Video.id)).first()
        session.execute(insert(Analysis), [analysis(number, video_id) for number in range(1, 15)])
        session.execute(insert(Prediction), [prediction(number) for number in range(1, 15)])
        session.execute(
            insert(LedgerEntry),
            [
                entry(number, kind, number * sign)
                for number in range(1, 10)
                for sign, kind in (
                    (5, LedgerKind.HOLD),
                    (-5, LedgerKind.RELEASE),
                    (3, LedgerKind.CHARGE),
                    (-1, LedgerKind.ADJUSTMENT),
                    (-2, LedgerKind.REFUND),
                )
            ]
            + [entry(number, LedgerKind.HOLD, 10 * number) for number in HOLDING],
        )

    catalog.write(fill)
    return catalog


@pytest.mark.parametrize("seed", range(3))
def test_what_is_counted_is_what_is_there_whatever_was_written(full, seed):
    with full.read() as session:
        assert asked(session) == counted(session)
    dice = random.Random(seed)
    for _ in range(4):
        full.write(lambda session: shuffle(session, dice))
        with full.read() as session:
            assert asked(session) == counted(session)


@pytest.mark.parametrize("version", ["0002", "0004"])
def test_an_upgrade_counts_what_is_there(full, version):
    migrate(full, command.downgrade, version)
    full.write(lambda s: s.execute(text("UPDATE analyses SET status = 'failed' WHERE id = 1")))
    migrate(full, command.upgrade, "head")
    with full.read() as session:
        assert asked(session) == counted(session)
