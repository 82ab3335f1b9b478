"""The catalog's money under any order of moves, crashes, bills and limits.

A machine plays several runs on one catalog and checks after every step what must always be true.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pytest
import single_moves
from catalog_rows import (
    ANSWER,
    ENDPOINT,
    LASTING,
    NO_LIMITS,
    NOW,
    PASSING,
    job,
    start_run,
    wanted_analyses,
)
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import func, select

from catalog import budgets, holding, ledger, outstanding, predictions, runs
from catalog.budget_limits import scopes_at
from catalog.database import connect
from catalog.holding import Purchase
from catalog.lifecycle import LIVE
from catalog.models import Analysis, Budget, LedgerEntry, Prediction
from catalog.settlement import Settlement
from catalog.values import (
    AnalysisStatus,
    LedgerKind,
    PredictionStatus,
    RefusalKind,
    Refused,
    RunStatus,
)

Status = PredictionStatus
ANALYSES = 6
QUOTES = st.sampled_from([0, 5_000, 10_000, 120_000])
LIMITS = st.none() | st.sampled_from([0, 5_000, 20_000, 50_000, 130_000, 300_000])
UNFINISHED = (Status.HELD, Status.SUBMITTING, Status.UNCERTAIN, Status.RUNNING)


def take_over(session, heir):
    alive = outstanding.alive_runs(session)
    return outstanding.take_over(session, run_id=heir, alive=alive)


def where(*statuses):
    """Play a rule only where it has a prediction to move."""
    return precondition(lambda self: self.in_state(*statuses))


class MoneyMachine(RuleBasedStateMachine):
    """Runs that come, buy, crash and go; `shelf` is set by whoever starts it."""

    shelf = None

    def __init__(self) -> None:
        super().__init__()
        self.url = self.shelf.made()
        self.catalog = connect(self.url)
        self.now = NOW
        self.numbers = iter(range(10**9))
        self.alive: list[str] = []
        self._states: dict[PredictionStatus, list[int]] | None = None

    def teardown(self) -> None:
        self.catalog.close()
        self.shelf.drop(self.url)

    @initialize(limit=LIMITS)
    def begin(self, limit) -> None:
        self.ids = wanted_analyses(self.catalog, ANALYSES)
        self.start(limit)

    def write(self, change, **keywords):
        self._states = None
        return self.catalog.write(partial(change, **keywords))

    def in_state(self, *statuses) -> list[int]:
        if self._states is None:
            with self.catalog.read() as session:
                rows = session.execute(select(Prediction.status, Prediction.id)).all()
            self._states = {
                status: sorted(id_ for found, id_ in rows if found is status) for status in Status
            }
        return [one for status in statuses for one in self._states[status]]

    def one(self, data, *statuses) -> int:
        return data.draw(st.sampled_from(self.in_state(*statuses)))

    @rule(limit=LIMITS)
    def start(self, limit) -> None:
        run_id = f"run{next(self.numbers)}"
        start_run(self.catalog, run_id, limit, now=self.now)
        self.alive.append(run_id)

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def hold(self, data) -> None:
        run_id = data.draw(st.sampled_from(self.alive))
        chosen = data.draw(st.lists(st.sampled_from(self.ids), unique=True, min_size=1))
        jobs = [job(one, data.draw(QUOTES)) for one in chosen]
        scopes = scopes_at(self.now, run_id=run_id, zone=ZoneInfo("UTC"))
        before = self.committed(scopes)
        result = self.write(
            holding.hold,
            jobs=jobs,
            purchase=Purchase(run_id=run_id, endpoint=ENDPOINT, price_list="list", scopes=scopes),
            now=self.now,
            unique=lambda: f"token{next(self.numbers)}",
        )
        assert len(result.held) + len(result.over_budget) + len(result.taken) == len(jobs)
        spent = sum(one.job.quote_micros for one in result.held)
        for scope, (limit, committed) in self.committed(scopes).items():
            assert committed == before.get(scope, (None, 0))[1] + spent
            if limit is not None and spent:
                assert committed <= limit

    def committed(self, scopes) -> dict[str, tuple[int | None, int]]:
        with self.catalog.read() as session:
            return {
                one.scope: (one.limit_micros, one.committed_micros)
                for one in budgets.usages(session, list(scopes))
            }

    @where(Status.HELD)
    @rule(data=st.data())
    def intend(self, data) -> None:
        held = self.in_state(Status.HELD)
        chosen = data.draw(st.lists(st.sampled_from(held), unique=True, min_size=1))
        done = self.write(
            holding.intend,
            prediction_ids=chosen,
            endpoint=ENDPOINT,
            limits=NO_LIMITS,
            now=self.now,
        )
        with self.catalog.read() as session:
            # What a lowered limit, or an acceptance that came late, leaves no room for is released.
            released = session.scalars(
                select(Prediction.id).where(
                    Prediction.id.in_(chosen), Prediction.status == Status.RELEASED
                )
            )
            assert done.granted == set(chosen) - set(released)

    @where(Status.HELD, Status.SUBMITTING, Status.UNCERTAIN)
    @rule(data=st.data())
    def drop(self, data) -> None:
        one = self.one(data, Status.HELD, Status.SUBMITTING, Status.UNCERTAIN)
        held = one in self.in_state(Status.HELD)
        dropped = self.write(
            predictions.drop, prediction_id=one, reason=None, retry=True, now=self.now
        )
        assert dropped == held

    @where(Status.SUBMITTING, Status.UNCERTAIN, Status.RELEASED)
    @rule(data=st.data())
    def accept(self, data) -> None:
        """Whoever was taken for dead may hear of it, too."""
        one = self.one(data, Status.SUBMITTING, Status.UNCERTAIN, Status.RELEASED)
        self.write(single_moves.accept, prediction_id=one, provider_id=f"p{one}", now=self.now)

    @where(Status.SUBMITTING)
    @rule(data=st.data(), kind=st.sampled_from(RefusalKind))
    def refuse(self, data, kind) -> None:
        one = self.one(data, Status.SUBMITTING)
        refusal = Refused(kind=kind, reason="Refused.")
        self.write(predictions.refuse, prediction_id=one, refusal=refusal, now=self.now)

    @where(*UNFINISHED[1:], Status.RELEASED)
    @rule(data=st.data())
    def lose(self, data) -> None:
        one = self.one(data, *UNFINISHED[1:], Status.RELEASED)
        self.write(predictions.lose, prediction_id=one, reason="No answer.", now=self.now)

    @precondition(lambda self: self.alive)
    @where(*UNFINISHED, Status.RELEASED)
    @rule(data=st.data())
    def adopt(self, data) -> None:
        one = self.one(data, *UNFINISHED, Status.RELEASED)
        by = data.draw(st.sampled_from(self.alive))
        with self.catalog.read() as session:
            before = session.get_one(Prediction, one)
        expected = before.status in {Status.UNCERTAIN, Status.RELEASED} or (
            before.status is Status.HELD and before.owner_run_id == by
        )
        adopted = self.write(
            predictions.adopt, prediction_id=one, provider_id=f"p{one}", run_id=by, now=self.now
        )
        assert adopted == expected

    @where(*Status)
    @rule(data=st.data())
    def deny(self, data) -> None:
        one = self.one(data, *Status)
        uncertain = one in self.in_state(Status.UNCERTAIN)
        assert self.write(predictions.deny, prediction_id=one, now=self.now) == uncertain

    @where(Status.RUNNING, Status.COMPLETED, Status.FAILED)
    @rule(data=st.data())
    def complete(self, data) -> None:
        one = self.one(data, Status.RUNNING, Status.COMPLETED, Status.FAILED)
        self.write(
            single_moves.complete,
            prediction_id=one,
            answer=ANSWER,
            coverage=None,
            now=self.now,
        )

    @where(Status.RUNNING, Status.COMPLETED, Status.EXPIRED)
    @rule(data=st.data(), failure=st.sampled_from([PASSING, LASTING]))
    def fail(self, data, failure) -> None:
        one = self.one(data, Status.RUNNING, Status.COMPLETED, Status.EXPIRED)
        self.write(predictions.fail, prediction_id=one, failure=failure, now=self.now)

    @where(Status.RUNNING)
    @rule(data=st.data())
    def expire(self, data) -> None:
        one = self.one(data, Status.RUNNING)
        self.write(predictions.expire, prediction_id=one, now=self.now)

    @where(Status.COMPLETED, Status.FAILED, Status.EXPIRED)
    @rule(data=st.data(), deducted=QUOTES | st.integers(0, 200_000), part=st.integers(0, 100))
    def settle(self, data, deducted, part) -> None:
        one = self.one(data, Status.COMPLETED, Status.FAILED, Status.EXPIRED)
        bill = Settlement(deducted=deducted, refunded=deducted * part // 100)
        self.write(single_moves.settle, prediction_id=one, found=bill, now=self.now)

    @precondition(lambda self: self.alive)
    @rule(data=st.data(), limit=LIMITS)
    def set_limit(self, data, limit) -> None:
        here = scopes_at(
            self.now, run_id=data.draw(st.sampled_from(self.alive)), zone=ZoneInfo("UTC")
        )
        scope = data.draw(st.sampled_from([*here, "day", "month"]))
        self.write(budgets.set_limit, scopes=[scope], limit_micros=limit)

    @rule(hours=st.sampled_from([1, 13, 24 * 9]))
    def time_passes(self, hours) -> None:
        self.now += timedelta(hours=hours)

    @precondition(lambda self: len(self.alive) > 1)
    @rule(data=st.data())
    def finish(self, data) -> None:
        run_id = data.draw(st.sampled_from(self.alive))
        self.alive.remove(run_id)
        self.write(runs.finish, run_id=run_id, outcome=RunStatus.COMPLETED, counts={}, now=self.now)

    @precondition(lambda self: len(self.alive) > 1)
    @rule(data=st.data())
    def crash_and_be_taken_over(self, data) -> None:
        """A run dies between two transactions; another one puts right what it left."""
        dead = data.draw(st.sampled_from(self.alive))
        self.alive.remove(dead)
        self.write(runs.bury, run_ids=[dead], now=self.now)
        heir = data.draw(st.sampled_from(self.alive))
        found = self.write(take_over, heir=heir)
        for orphan in found:
            if orphan.status is Status.HELD:
                self.write(
                    predictions.drop,
                    prediction_id=orphan.prediction_id,
                    reason=None,
                    retry=True,
                    now=self.now,
                )
            elif orphan.status is Status.SUBMITTING:
                self.write(
                    predictions.lose,
                    prediction_id=orphan.prediction_id,
                    reason="The process died.",
                    now=self.now,
                )
        with self.catalog.read() as session:
            assert not outstanding.orphans(session, run_id=heir, alive=self.alive)

    @invariant()
    def every_budget_is_the_sum_of_its_entries(self) -> None:
        with self.catalog.read() as session:
            assert ledger.disagreements(session) == []
            assert not session.scalars(select(Budget).where(Budget.committed_micros < 0)).all()

    @invariant()
    def an_analysis_has_one_live_prediction_at_most_and_says_so(self) -> None:
        with self.catalog.read() as session:
            live = session.execute(
                select(Prediction.analysis_id, Prediction.status, Prediction.surplus).where(
                    Prediction.status.in_(LIVE)
                )
            ).all()
            analyses = {one.id: one for one in session.scalars(select(Analysis))}
        first = [one for one in live if not one.surplus]
        by_analysis = {one.analysis_id: one.status for one in first}
        assert len(by_analysis) == len(first)
        surplus = [one for one in live if one.surplus]
        assert {one.analysis_id for one in surplus} <= by_analysis.keys()
        answered = {one.analysis_id for one in surplus if one.status is Status.COMPLETED}
        for analysis_id, analysis in analyses.items():
            if analysis_id in answered:
                assert analysis.status is AnalysisStatus.COMPLETED
            else:
                assert analysis.status is _as_seen(by_analysis.get(analysis_id), analysis.status)
            assert (analysis.status is AnalysisStatus.COMPLETED) == (analysis.text is not None)

    @invariant()
    def money_follows_the_state(self) -> None:
        with self.catalog.read() as session:
            for one in session.scalars(select(Prediction)):
                held, charged = _sums(session, one.id)
                quoted = one.quoted_micros
                if one.status in UNFINISHED:
                    assert (held, charged) == (quoted, 0)
                elif one.status is Status.RELEASED:
                    assert (held, charged) == (0, 0)
                elif one.settled_at is not None:
                    assert (held, charged) == (0, one.charged_micros)
                elif one.status is Status.COMPLETED:
                    assert (held, charged) == (0, quoted)
                else:  # failed or expired: nothing is given back before the bill is known
                    assert (held, charged) == (quoted, 0)

    @invariant()
    def whatever_is_out_is_looked_after_or_can_be_taken_over(self) -> None:
        with self.catalog.read() as session:
            alive = outstanding.alive_runs(session)
            out = session.scalars(
                select(Prediction.owner_run_id).where(Prediction.status.in_(UNFINISHED))
            ).all()
            orphans = outstanding.orphans(session, run_id="nobody", alive=alive)
        assert sorted(alive) == sorted(self.alive)
        assert len(orphans) == sum(owner not in alive for owner in out)


def _as_seen(live, otherwise):
    """Give what an analysis's status must be beside its live prediction."""
    match live:
        case Status.HELD | Status.SUBMITTING | Status.RUNNING:
            return AnalysisStatus.PENDING
        case Status.UNCERTAIN:
            return AnalysisStatus.UNCERTAIN
        case Status.COMPLETED:
            return AnalysisStatus.COMPLETED
    assert otherwise in (AnalysisStatus.WANTED, AnalysisStatus.FAILED)
    return otherwise


def _sums(session, prediction_id) -> tuple[int, int]:
    """Give what is still held for a prediction, and its charges less refunds."""
    held_kinds = (LedgerKind.HOLD, LedgerKind.RELEASE)
    amount = LedgerEntry.amount_micros
    return tuple(
        int(
            session.scalar(
                select(func.coalesce(func.sum(amount), 0)).where(
                    LedgerEntry.prediction_id == prediction_id, kinds
                )
            )
        )
        for kinds in (LedgerEntry.kind.in_(held_kinds), LedgerEntry.kind.not_in(held_kinds))
    )


@pytest.mark.parametrize(
    ("dialect", "examples", "steps"), [("sqlite", 25, 40), ("postgresql", 4, 30)]
)
def test_money_is_right_after_every_step(request, dialect, examples, steps):
    class Machine(MoneyMachine):
        shelf = request.getfixturevalue(f"{dialect}_shelf")

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            phases=(Phase.explicit, Phase.reuse, Phase.generate),  # steps are printed as they are
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_machine_notices_money_that_goes_astray(catalog):
    """The invariants are able to fail."""
    start_run(catalog, "run", None)
    catalog.write(lambda session: budgets.commit(session, ["run:run"], 1))
    with catalog.read() as session:
        assert ledger.disagreements(session) != []
