"""Run and plan: the whole order, from sources to a report.

A run asks the catalog what is left, does it and writes it down, so it can be killed anywhere and
the next one goes on. `plan` is the same up to the point where money would be spent.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Sequence
from functools import partial

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
from flows.pipeline.request import RunOptions
from flows.pipeline.run_record import background, recorded
from flows.pipeline.runner import Runner, Step
from flows.pipeline.workers import Others, count_others
from flows.settings import Settings
from tasks.foundation.concurrency import together
from tasks.runtime.services import Services
from tasks.runtime.stats import Issue, RunStats
from tasks.storage.source import Source, parse_source

#: What failed for a passing reason and is settled, or never arrived, is bought again within the
#: run: so many times in all, and more often as long as fewer are left each time.
_MOST_PASSES = 3


async def run(
    options: RunOptions, settings: Settings, services: Services, runner: Runner, stats: RunStats
) -> RunReport:
    """Catalog the sources within the budget; alone, or beside the run that `options` say it shares.

    Raises:
        UsageError: if what is asked for cannot be done as asked; nothing was spent.
        AccountStopped: if the account stops the run before anything was bought.
    """
    sources = [parse_source(source) for source in options.sources]
    stats.money.budget = options.budget_micros
    await require_budget(options, services)
    await learn_time(services)
    async with recorded("run", options, services, stats) as record:
        budget_run_id = options.shares or record.run_id
        planner = new_planner(options, services, run_id=budget_run_id, zone=settings.zone)
        engine = new_engine(
            services,
            run_id=record.run_id,
            budget_run_id=budget_run_id,
            spec=planner.spec,
            zone=settings.zone,
            runner=runner,
            stats=stats,
            rng=random.Random(),  # noqa: S311 - spreads polls, guards nothing
        )
        async with background(engine.watch()):
            await _catalog(sources, planner, engine, runner, stats)
        record.report = await _report(engine, stats)
    return record.report


async def _catalog(
    sources: Sequence[Source], planner: Planner, engine: Engine, runner: Runner, stats: RunStats
) -> None:
    """Collect what is out, see what is there, buy what is left, settle what it cost.

    What cannot be bought, and a source that cannot be listed, stop nothing from being collected.
    """
    services = engine.services
    stats.stage = "Collecting what earlier runs left"
    orphans = await take_over(services, run_id=engine.run_id, stats=stats)
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
                found = await adopt_recent(services, run_id=engine.run_id, stats=stats)
                group.create_task(engine.collect(found))
                # What was refunded meanwhile may be bought again.
                await settle_or_say_why(services, stats)
                into = join_in if others.is_guest else ingest
                scopes = await into(
                    sources, planner.selection, services, runner, stats, run_id=engine.run_id
                )
                await _buy(scopes, planner, engine, others, stats)
        except ReelcatError as error:
            stopped = error
    await runner.batch(Step.SETTLE, "settle", partial(settle_or_say_why, services, stats))
    if stopped is not None:
        raise stopped
    if stats.analyses.collected and stats.analyses.in_flight_elsewhere:
        # They were in flight when the plan was made, and have been collected beside it.
        plan = await planner.plan(scopes, collected=engine.tracker.collected)
        stats.analyses.in_flight_elsewhere = plan.in_flight_elsewhere


async def _resolve(engine: Engine) -> Sequence[Orphan]:
    """Ask after lost answers; an account that refuses to be asked stops only what is bought."""
    try:
        return (await resolve(engine.services, run_id=engine.run_id)).adopted
    except AccountStopped as error:
        engine.stop_account(error)
        return []


async def _buy(
    scopes: Sequence[SourceRange], planner: Planner, engine: Engine, others: Others, stats: RunStats
) -> None:
    """Buy what is left, and what of it became free again meanwhile; nothing that was not shown.

    What others bought for the same run was shown to them.
    """
    runner = engine.runner
    shown: set[int] = set()
    canary: list[Candidate] = []
    before = passes = 0
    for number in itertools.count():
        stats.stage = "Planning"
        plan = await planner.plan(scopes, collected=engine.tracker.collected)
        if number == 0:
            plan = await _claim(plan, scopes, planner, others, stats)
            shown = {job.left.analysis_id for job in plan.jobs}
            engine.uncertain_before = plan.uncertain
            canary = await _show(plan, engine, stats)
        stats.analyses.over_budget = len(plan.over_budget)
        shown |= await others.bought()
        wanted = shown - engine.put_off
        jobs = [job for job in plan.jobs if job.left.analysis_id in wanted]
        if engine.halted:
            return
        if number > 0 and not jobs:
            stats.analyses.in_flight_elsewhere = plan.in_flight_elsewhere
            if not await others.waited_for():
                return
            await _collect_lost(engine, runner, stats)
            continue
        if passes >= _MOST_PASSES and len(jobs) >= before:
            _name_left(len(jobs), engine, stats)
            return
        before, passes = len(jobs), passes + 1
        stats.stage = "Describing videos"
        if canary:
            await _buy_first(canary, engine)
            jobs = [job for job in jobs if job not in canary]
            canary = []
        if not engine.halted:
            await engine.predict(jobs)
        await _collect_lost(engine, runner, stats)
        if engine.halted:
            plan = await planner.plan(scopes, collected=engine.tracker.collected)
            left = shown & {job.left.analysis_id for job in [*plan.jobs, *plan.over_budget]}
            _count_left(len(left), stats)
            return
        await _check_bill_of(before, engine)


async def _claim(
    plan: Plan, scopes: Sequence[SourceRange], planner: Planner, others: Others, stats: RunStats
) -> Plan:
    """Collect what was bought before for videos that the catalog has only just met."""
    engine = others.engine
    found = await claim_wanted(engine.services, run_id=engine.run_id, stats=stats)
    if not found:
        return plan
    others.group.create_task(engine.collect(found))
    return await planner.plan(scopes, collected=engine.tracker.collected)


async def _show(plan: Plan, engine: Engine, stats: RunStats) -> list[Candidate]:
    """Show what will be bought, and hear whether it may; gives what is to be tried first."""
    count(plan, stats)
    await check_account(plan, engine.services, stats)
    if plan.jobs and not await engine.runner.agree(plan, stats):
        engine.halt()
        return []
    if await check_price(plan, engine.addresses, engine.services, stats):
        return []
    return plan.jobs[:1]


async def _buy_first(canary: Sequence[Candidate], engine: Engine) -> None:
    """Buy one where nobody said what it costs, and read its bill before the others are bought."""
    before = await unacknowledged_drift(engine.services)
    await engine.predict(canary)
    try:
        await settle(engine.services)
    except ProviderUnreadable as error:
        engine.stop_account(
            AccountStopped(
                "The provider does not say what it charges, and its bill for the first prediction "
                f"cannot be read, so nothing more is bought: {error}"
            )
        )
    after = await unacknowledged_drift(engine.services)
    if after.micros > before.micros:
        engine.stop_account(
            AccountStopped(
                f"The first prediction was billed {show(after.micros - before.micros)} higher than "
                "was quoted, so nothing more is bought; look at it with `reelcat status`, then go "
                "on with `reelcat reconcile --acknowledge-drift`."
            )
        )


async def _check_bill_of(bought: int, engine: Engine) -> None:
    """Settle a pass that bought something, and buy no more if it cost more than was quoted."""
    if bought:
        await engine.check_bill(now=True)


async def _collect_lost(engine: Engine, runner: Runner, stats: RunStats) -> None:
    """Collect what was accepted without an answer, also when nothing more is submitted."""
    if runner.stop_asked.is_set() or engine.account_stop is not None:
        return
    stats.stage = "Asking after lost answers"
    try:
        resolved = await resolve(engine.services, run_id=engine.run_id, until=runner.stop_asked)
    except AccountStopped as error:
        engine.stop_account(error)
        return
    await engine.collect(resolved.adopted)


def _count_left(left: int, stats: RunStats) -> None:
    """Say what the next run goes on with."""
    stats.analyses.left = left
    if left:
        stats.notices.append(f"{left} analyses are left for the next run.")


def _name_left(left: int, engine: Engine, stats: RunStats) -> None:
    """Say that some were tried in vain and are still to be had."""
    reason = (
        f"{left} analyses were tried and are still to be had, at no cost; run again when the "
        "provider works."
    )
    stats.failures.append(
        Issue(what=engine.services.provider.endpoint, reason=reason, kind="provider")
    )


async def plan(
    options: RunOptions, settings: Settings, services: Services, runner: Runner, stats: RunStats
) -> RunReport:
    """Say what a run would do, skip and cost; spends nothing.

    Raises:
        UsageError: if what is asked for cannot be done as asked.
    """
    sources = [parse_source(source) for source in options.sources]
    stats.money.budget = options.budget_micros
    async with recorded("plan", options, services, stats) as record:
        planner = new_planner(options, services, run_id=record.run_id, zone=settings.zone)
        scopes = await ingest(
            sources, planner.selection, services, runner, stats, run_id=record.run_id
        )
        stats.stage = "Planning"
        count(await planner.plan(scopes), stats)
        status = status_of(
            stats,
            account_stopped=False,
            interrupted=runner.stop_asked.is_set(),
            budget_reached=bool(stats.analyses.over_budget),
        )
        record.report = RunReport(run_id=record.run_id, status=status, stats=stats)
    return record.report


async def _report(engine: Engine, stats: RunStats) -> RunReport:
    """Count money and what is uncertain, and name how it ended."""
    totals, uncertain = await asyncio.to_thread(_balances, engine)
    await count_others(engine)
    stats.money.held, stats.money.charged = totals.held, totals.charged
    name_uncertain(uncertain, stats)
    stopped_by = _stopped_by(engine)
    if stopped_by is None:
        await name_drift(engine.services, stats)
    refusal = engine.breaker.opened_by
    if refusal is not None and stopped_by is None:
        stats.failures.append(
            Issue(what=engine.services.provider.endpoint, reason=refusal.reason, kind="provider")
        )
    status = status_of(
        stats,
        account_stopped=stopped_by is not None,
        interrupted=engine.runner.stop_asked.is_set(),
        budget_reached=bool(stats.analyses.over_budget),
    )
    return RunReport(run_id=engine.run_id, status=status, stats=stats, stopped_by=stopped_by)


def _stopped_by(engine: Engine) -> str | None:
    if engine.account_stop is not None:
        return str(engine.account_stop)
    refusal = engine.breaker.opened_by
    if refusal is not None and refusal.kind is RefusalKind.ACCOUNT:
        return refusal.reason
    return None


def _balances(engine: Engine) -> tuple[Totals, list[str]]:
    with engine.services.catalog.read() as session:
        return (
            ledger.totals(session, run_id=engine.budget_run_id),
            outstanding.uncertain_names(
                session, run_id=engine.budget_run_id, analyses=engine.uncertain_before
            ),
        )
