"""The counts that the databases keep by themselves are the counts that they have, on both."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from alembic import command
from catalog_rows import FOLDER, NOW, inspection, listing, look, probe, register, scan
from catalog_rows import start_run as begin
from catalogs import migrate
from sqlalchemy import delete, insert, select, text, update

from catalog.models import Analysis, LedgerEntry, Location, Prediction, Video
from catalog.snapshot import Snapshot
from catalog.totals import tallies
from catalog.values import (
    AnalysisStatus,
    LedgerKind,
    PredictionStatus,
    ProbeStatus,
)


def counted(session):
    """Count everything afresh, as nobody would want to wait for."""
    found = {}

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
        add(f"ledger.{row.kind}", row.amount_micros)
    return {name: amount for name, amount in found.items() if amount}


def kept(session):
    return {name: amount for name, amount in tallies(Snapshot.of(session)).items() if amount}


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


def prediction(number):
    return {
        "id": number,
        "token": str(number),
        "analysis_id": number,
        "run_id": "run",
        "owner_run_id": "run",
        "endpoint": "e",
        "status": PredictionStatus.RELEASED,
        "quoted_micros": 10 * number,
        "price_list": "p",
        "budget_day": "d",
        "budget_month": "m",
        "held_at": NOW,
    }


def shuffle(session, dice):
    """Change some rows in bulk, some one by one, and delete some, in ways no run would."""
    for row in session.scalars(select(Prediction)):
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
        session.execute(insert(Analysis), [analysis(number, video_id) for number in range(1, 10)])
        session.execute(insert(Prediction), [prediction(number) for number in range(1, 10)])
        session.execute(
            insert(LedgerEntry),
            [
                {
                    "prediction_id": number,
                    "kind": kind,
                    "amount_micros": number * sign,
                    "at": NOW,
                    "price_list": "p",
                }
                for number in range(1, 10)
                for sign, kind in (
                    (5, LedgerKind.HOLD),
                    (-5, LedgerKind.RELEASE),
                    (-2, LedgerKind.REFUND),
                )
            ],
        )

    catalog.write(fill)
    return catalog


@pytest.mark.parametrize("seed", range(3))
def test_what_is_kept_is_what_is_there_whatever_was_written(full, seed):
    with full.read() as session:
        assert kept(session) == counted(session)
    dice = random.Random(seed)
    for _ in range(4):
        full.write(lambda session: shuffle(session, dice))
        with full.read() as session:
            assert kept(session) == counted(session)


def test_what_was_taken_back_is_not_counted(full):
    def fail(session):
        shuffle(session, random.Random(1))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        full.write(fail)
    with full.read() as session:
        assert kept(session) == counted(session)


def test_an_upgrade_counts_what_is_there(full):
    migrate(full, command.downgrade, "0002")
    full.write(lambda s: s.execute(text("UPDATE analyses SET status = 'failed' WHERE id = 1")))
    migrate(full, command.upgrade, "head")
    with full.read() as session:
        assert kept(session) == counted(session)
