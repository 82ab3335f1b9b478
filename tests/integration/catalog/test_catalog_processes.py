"""Several real processes on one catalog and one budget."""

from __future__ import annotations

import multiprocessing
from contextlib import contextmanager

from catalog_rows import start_run, wanted_analyses
from catalog_workers import QUOTE, buy, buy_and_die
from sqlalchemy import func, select

from catalog import budgets, ledger
from catalog.lifecycle import LIVE
from catalog.models import Budget, Prediction
from catalog.values import PredictionStatus

SPAWN = multiprocessing.get_context("spawn")
WORKERS = 3


@contextmanager
def at_work(processes):
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.join(60)
            process.kill()


def above_their_limit(catalog) -> list[str]:
    with catalog.read() as session:
        return list(
            session.scalars(
                select(Budget.scope).where(Budget.committed_micros > Budget.limit_micros)
            )
        )


def live_twice(catalog) -> list[int]:
    with catalog.read() as session:
        return list(
            session.scalars(
                select(Prediction.analysis_id)
                .where(Prediction.status.in_(LIVE))
                .group_by(Prediction.analysis_id)
                .having(func.count() > 1)
            )
        )


def disagreements(catalog) -> list[str]:
    with catalog.read() as session:
        return ledger.disagreements(session)


def committed(catalog, scope) -> int:
    with catalog.read() as session:
        return budgets.usages(session, [scope])[0].committed_micros


def start_workers(catalog, url, ids, *, rounds, starts=None):
    for number in range(WORKERS):
        start_run(catalog, f"run{number}", None)
    return [
        SPAWN.Process(target=buy, args=(url, f"run{number}", ids, rounds, starts))
        for number in range(WORKERS)
    ]


def test_processes_that_buy_the_same_together_never_pass_their_budget(catalog, catalog_url):
    ids = wanted_analyses(catalog, 60)
    catalog.write(lambda session: budgets.set_limit(session, ["day"], 35 * QUOTE))
    catalog.write(lambda session: budgets.set_limit(session, ["month"], 30 * QUOTE + 1))
    processes = start_workers(catalog, catalog_url, ids, rounds=12)
    samples = 0
    with at_work(processes):
        while any(process.is_alive() for process in processes):
            assert above_their_limit(catalog) == []
            assert live_twice(catalog) == []
            assert disagreements(catalog) == []
            samples += 1
    assert [process.exitcode for process in processes] == [0] * WORKERS
    assert samples > 10
    assert disagreements(catalog) == []
    assert committed(catalog, "month:2026-11") == 30 * QUOTE  # they did reach it


def test_processes_share_the_starts_of_their_account(catalog, catalog_url):
    ids = wanted_analyses(catalog, 60)
    processes = start_workers(catalog, catalog_url, ids, rounds=6, starts=17)
    with at_work(processes):
        pass
    assert [process.exitcode for process in processes] == [0] * WORKERS
    with catalog.read() as session:
        started = session.scalar(
            select(func.count()).select_from(Prediction).where(Prediction.submitted_at.is_not(None))
        )
    assert started == 17
    assert disagreements(catalog) == []


def test_a_process_that_dies_while_it_writes_leaves_its_money_held_and_nobody_waiting(
    catalog, catalog_url
):
    ids = wanted_analyses(catalog, 3)
    start_run(catalog, "dies", None)
    process = SPAWN.Process(target=buy_and_die, args=(catalog_url, "dies", ids))
    with at_work([process]):
        pass
    assert process.exitcode == 9
    start_run(catalog, "next", None)
    assert committed(catalog, "run:dies") == 3 * QUOTE
    assert disagreements(catalog) == []
    with catalog.read() as session:
        assert set(session.scalars(select(Prediction.status))) == {PredictionStatus.HELD}
