"""Run and plan: the whole order, from sources to a report.

A run asks the catalog what is left, does it and writes it down, so it can be killed anywhere and
the next one goes on. `plan` is the same up to the point where money would be spent.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy.orm import Session

from catalog import ledger, outstanding
from catalog.errors import AccountStopped, ProviderUnreadable, ReelcatError
from catalog.locations import SourceRange
from catalog.money import show
from catalog.outstanding import Orphan
from catalog.planning import Candidate, Plan
from catalog.totals import Totals
from catalog.values import RefusalKind
from flows.pipeline.adoption import adopt_recent, claim_wanted
from flows.pipeline.billing import settle, settle_or_say_why
from flows.pipeline.ingest import ingest, join_in
from flows.pipeline.plan import (
    Planner,
    check_account,
    check_price,
    count,
    learn_time,
    name_drift,
    new_planner,
    require_budget,
    unacknowledged_drift,
)
from flows.pipeline.predict import Engine, new_engine
from flows.pipeline.recovery import name_uncertain, resolve, take_over
from flows.pipeline.report import RunReport, status_of
from flows.pipeline.request import RunRequest
from flows.pipeline.run_record import background, recorded
from flows.pipeline.runner import RunContext, Step
from flows.pipeline.workers import Others, count_others
from tasks.foundation.concurrency import together
from tasks.runtime.stats import Issue
from tasks.storage.manifest import parse_sources
from tasks.storage.source import Source

#: What failed for a passing reason and is settled, or never arrived, is bought again within the
#: run: so many times in all, and more often as long as fewer are left each time.
_MOST_ROUNDS = 3


async def run(request: RunRequest, context: RunContext) -> RunReport:
    """Catalog the sources within the budget; alone, or together with the run that the context says.

    Raises:
        UsageError: if what is asked for cannot be done as asked; nothing was spent.
        AccountStopped: if the account stops the run before anything was bought.
    """
    sources = await asyncio.to_thread(parse_sources, request.videos.sources)
    context.stats.money.budget = request.budget_micros
    await require_budget(request, context.services)
    await learn_time(context.services)
    async with recorded("run", request, context) as record:
        planner = new_planner(request, context)
        engine = new_engine(
            context,
            spec=planner.spec,
            rng=random.Random(),  # noqa: S311 - spreads polls, guards nothing
        )
        async with background(engine.watch()):
            await _catalog(sources, planner, engine)
        record.report = await _report(engine)
    return record.report


async def _catalog(sources: Sequence[Source], planner: Planner, engine: Engine) -> None:
    """Collect what is out, see what is there, buy what is left, settle what it cost.

    What cannot be bought, and a source that cannot be listed, stop nothing from being collected.
    """
    context = engine.context
    runner, stats = context.runner, context.stats
    stats.stage = "Collecting what earlier runs left"
    orphans = await take_over(context)
    adopted = await _resolve(engine)
    stopped: ReelcatError | None = None
    scopes: Sequence[SourceRange] = ()
    async with together() as group:
        if left := [*orphans, *adopted]:
            label, work = f"collect ({len(left)} predictions)", partial(engine.collect, left)
            group.create_task(runner.batch(Step.COLLECT, label, work))
        others = Others(engine=engine, group=group)
        try:
            async with background(others.watch()):
                found = await adopt_recent(context)
                group.create_task(engine.collect(found))
                # What was refunded meanwhile may be bought again.
                await settle_or_say_why(context)
                into = join_in if context.shares else ingest
                scopes = await into(sources, planner.selection, context)
                await Purchase(scopes=scopes, planner=planner, engine=engine, others=others).buy()
        except ReelcatError as error:
            stopped = error
    await runner.batch(Step.SETTLE, "settle", partial(settle_or_say_why, context))
    if stopped is not None:
        raise stopped
    if stats.analyses.collected and stats.analyses.in_flight_elsewhere:
        # They were in flight when the plan was made, and have been collected meanwhile.
        plan = await planner.plan(scopes, collected=engine.tracker.collected)
        stats.analyses.in_flight_elsewhere = plan.in_flight_elsewhere


async def _resolve(engine: Engine) -> Sequence[Orphan]:
    """Ask after lost answers; an account that refuses to be asked stops only what is bought."""
    try:
        return (await resolve(engine.context)).adopted
    except AccountStopped as error:
        engine.stop_account(error)
        return []


@dataclass(kw_only=True, slots=True)
class Purchase:
    """What one run buys: nothing that was not shown, by it or by others that share it."""

    scopes: Sequence[SourceRange]
    planner: Planner
    engine: Engine
    others: Others
    #: Analyses that were shown.
    _shown: set[int] = field(default_factory=set)
    _rounds: int = 0
    #: How many analyses the latest round was to buy.
    _in_round: int = 0

    async def buy(self) -> None:
        """Show what is left, and buy it in rounds until nothing is left or no more can be had."""
        plan = await self.show()
        is_priced = self.engine.halted or await check_price(
            plan, self.engine.addresses, self.engine.context
        )
        if self.engine.halted:
            return
        jobs = self._begin_round(plan.jobs)
        if not is_priced:
            jobs = await self.buy_canary(jobs)
        await self.buy_round(jobs)
        while not self.engine.halted:
            jobs = await self.next_round()
            if not jobs:
                return
            await self.buy_round(jobs)

    async def show(self) -> Plan:
        """Show what will be bought, and hear whether it may be; halts the engine if it may not."""
        engine, context = self.engine, self.engine.context
        plan = await self._plan()
        # What was bought before for videos that the catalog has only just met is collected.
        if found := await claim_wanted(context):
            self.others.group.create_task(engine.collect(found))
            plan = await self._plan()
        self._shown = {job.left.analysis_id for job in plan.jobs} | await self.others.bought()
        engine.uncertain_before = plan.uncertain
        count(plan, context.stats)
        await check_account(plan, context)
        if plan.jobs and not await context.runner.agree(plan, context.stats):
            engine.halt()
        return plan

    async def buy_canary(self, jobs: Sequence[Candidate]) -> list[Candidate]:
        """Buy one, where nobody said what it costs, and read its bill; gives the others."""
        engine, services = self.engine, self.engine.context.services
        engine.context.stats.stage = "Describing videos"
        before = await unacknowledged_drift(services)
        await engine.predict(jobs[:1])
        try:
            await settle(services)
        except ProviderUnreadable as error:
            engine.stop_account(
                AccountStopped(
                    "The provider does not say what it charges, and its bill for the first "
                    f"prediction cannot be read, so nothing more is bought: {error}"
                )
            )
        after = await unacknowledged_drift(services)
        if after.micros > before.micros:
            engine.stop_account(
                AccountStopped(
                    f"The first prediction was billed {show(after.micros - before.micros)} higher "
                    "than was quoted, so nothing more is bought; look at it with `reelcat status`, "
                    "then go on with `reelcat reconcile --acknowledge-drift`."
                )
            )
        return list(jobs[1:])

    async def buy_round(self, jobs: Sequence[Candidate]) -> None:
        """Buy these, collect what was accepted without an answer, and read the bill.

        The first round is one even if there is nothing to buy.
        """
        if not self.engine.halted:
            self.engine.context.stats.stage = "Describing videos"
            await self.engine.predict(jobs)
        await self._collect_lost()
        if self.engine.halted:
            await self._count_left()
        elif self._in_round:
            await self.engine.check_bill(now=True)

    async def next_round(self) -> list[Candidate]:
        """Give what became free again of what was shown; empty if there is no more to be had.

        Where nothing is left, waits for others that share the run: what they lose may be had.
        """
        stats = self.engine.context.stats
        while True:
            plan = await self._plan()
            stats.analyses.over_budget = len(plan.over_budget)
            self._shown |= await self.others.bought()
            wanted = self._shown - self.engine.put_off
            jobs = [job for job in plan.jobs if job.left.analysis_id in wanted]
            if self.engine.halted:
                return []
            if jobs:
                break
            stats.analyses.in_flight_elsewhere = plan.in_flight_elsewhere
            if not await self.others.waited_for():
                return []
            await self._collect_lost()
        if self._rounds >= _MOST_ROUNDS and len(jobs) >= self._in_round:
            self._name_left(len(jobs))
            return []
        return self._begin_round(jobs)

    def _begin_round(self, jobs: list[Candidate]) -> list[Candidate]:
        self._rounds += 1
        self._in_round = len(jobs)
        return jobs

    async def _plan(self) -> Plan:
        self.engine.context.stats.stage = "Planning"
        return await self.planner.plan(self.scopes, collected=self.engine.tracker.collected)

    async def _collect_lost(self) -> None:
        """Collect what was accepted without an answer, also when nothing more is submitted."""
        engine, context = self.engine, self.engine.context
        if context.runner.stop_asked.is_set() or engine.account_stop is not None:
            return
        context.stats.stage = "Asking after lost answers"
        try:
            resolved = await resolve(context, until=context.runner.stop_asked)
        except AccountStopped as error:
            engine.stop_account(error)
            return
        await engine.collect(resolved.adopted)

    async def _count_left(self) -> None:
        """Say what the next run goes on with."""
        stats = self.engine.context.stats
        plan = await self._plan()
        left = self._shown & {job.left.analysis_id for job in [*plan.jobs, *plan.over_budget]}
        stats.analyses.left = len(left)
        if left:
            stats.notices.append(f"{len(left)} analyses are left for the next run.")

    def _name_left(self, left: int) -> None:
        """Say that some were tried in vain and are still to be had."""
        reason = (
            f"{left} analyses were tried and are still to be had, at no cost; run again when the "
            "provider works."
        )
        context = self.engine.context
        context.stats.failures.append(
            Issue(what=context.services.provider.endpoint, reason=reason, kind="provider")
        )


async def plan(request: RunRequest, context: RunContext) -> RunReport:
    """Say what a run would do, skip and cost; spends nothing.

    Raises:
        UsageError: if what is asked for cannot be done as asked.
    """
    sources = await asyncio.to_thread(parse_sources, request.videos.sources)
    stats = context.stats
    stats.money.budget = request.budget_micros
    async with recorded("plan", request, context) as record:
        planner = new_planner(request, context)
        scopes = await ingest(sources, planner.selection, context)
        stats.stage = "Planning"
        count(await planner.plan(scopes), stats)
        status = status_of(
            stats,
            account_stopped=False,
            interrupted=context.runner.stop_asked.is_set(),
            budget_reached=bool(stats.analyses.over_budget),
        )
        record.report = RunReport(run_id=context.run_id, status=status, stats=stats)
    return record.report


async def _report(engine: Engine) -> RunReport:
    """Count money and what is uncertain, and name how it ended."""
    context = engine.context
    stats, endpoint = context.stats, context.services.provider.endpoint
    totals, uncertain = await context.services.read(_balances, engine)
    await count_others(context)
    stats.money.held, stats.money.charged = totals.held, totals.charged
    name_uncertain(uncertain, stats)
    await engine.limits.report()
    stopped_by = _stopped_by(engine)
    if stopped_by is None:
        await name_drift(context)
    refusal = engine.breaker.opened_by
    if refusal is not None and stopped_by is None:
        stats.failures.append(Issue(what=endpoint, reason=refusal.reason, kind="provider"))
    status = status_of(
        stats,
        account_stopped=stopped_by is not None,
        interrupted=context.runner.stop_asked.is_set(),
        budget_reached=bool(stats.analyses.over_budget),
    )
    return RunReport(run_id=context.run_id, status=status, stats=stats, stopped_by=stopped_by)


def _stopped_by(engine: Engine) -> str | None:
    if engine.account_stop is not None:
        return str(engine.account_stop)
    refusal = engine.breaker.opened_by
    if refusal is not None and refusal.kind is RefusalKind.ACCOUNT:
        return refusal.reason
    return None


def _balances(session: Session, engine: Engine) -> tuple[Totals, list[str]]:
    run_id = engine.context.budget_run_id
    return (
        ledger.totals(session, run_id=run_id),
        outstanding.uncertain_names(session, run_id=run_id, analyses=engine.uncertain_before),
    )
