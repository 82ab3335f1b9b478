"""Reconcile: collect what earlier runs left, resolve what is uncertain, compare with the bill.

Every run begins and ends with the same steps; this is the operation of its own, for a schedule
every few hours and for a person who wants to know.
"""

from __future__ import annotations

import asyncio
import enum
import random
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from catalog import ledger, outstanding, predictions, settlement
from catalog.analyses import AnalysisSpec
from catalog.errors import AccountStopped, UsageError
from catalog.outstanding import Orphan
from flows.pipeline.adoption import adopt_listed, count_waiting
from flows.pipeline.billing import settle_or_say_why
from flows.pipeline.plan import learn_time, name_drift
from flows.pipeline.predict import Engine, new_engine
from flows.pipeline.recovery import name_uncertain, resolve, take_over
from flows.pipeline.report import RunReport, status_of
from flows.pipeline.request import RunOptions
from flows.pipeline.run_record import background, recorded
from flows.pipeline.runner import Runner, Step
from flows.settings import Settings
from tasks.foundation.concurrency import together
from tasks.runtime.services import Services
from tasks.runtime.stats import Issue, RunStats


class Acknowledge(enum.Enum):
    """What a person takes note of."""

    NOTHING = enum.auto()
    DRIFT = enum.auto()


async def reconcile(
    options: RunOptions,
    settings: Settings,
    services: Services,
    runner: Runner,
    stats: RunStats,
    *,
    assume_lost: Sequence[int] = (),
    older_than: timedelta | None = None,
    acknowledge: Acknowledge = Acknowledge.NOTHING,
    after_restore: bool = False,
) -> RunReport:
    """Collect, resolve and settle; buys nothing.

    `assume_lost` names uncertain predictions that a person has decided were never accepted, and
    `older_than` all that were submitted longer ago than that; what the provider's list proves goes
    before either. `acknowledge` takes note of a bill that is higher than was quoted, so that paid
    runs go on. `after_restore` says what else is to be done for a catalog from a backup, and counts
    a list that cannot be searched as a failure.

    Raises:
        UsageError: if one of those is not uncertain; nothing is decided then.
    """
    await learn_time(services)
    async with recorded("reconcile", options, services, stats) as record:
        engine = new_engine(
            services,
            run_id=record.run_id,
            spec=AnalysisSpec(model=services.provider.prices.model, tasks=options.tasks),
            zone=settings.zone,
            runner=runner,
            stats=stats,
            rng=random.Random(),  # noqa: S311 - spreads polls, guards nothing
        )
        async with background(engine.watch()):
            orphans = await take_over(services, run_id=record.run_id, stats=stats)
            named = await asyncio.to_thread(_named, assume_lost, older_than, services)
            orphans += await _adopt(services, record.run_id, stats, after_restore=after_restore)
            await runner.batch(Step.COLLECT, "collect", partial(_collect, engine, orphans, stats))
            await _assume_lost(named, services, stats)
            await runner.batch(Step.SETTLE, "settle", partial(settle_or_say_why, services, stats))
        if acknowledge is Acknowledge.DRIFT:
            await _acknowledge(services, stats)
        record.report = await _report(record.run_id, engine, services, stats)
    return record.report


async def _adopt(
    services: Services, run_id: str, stats: RunStats, *, after_restore: bool
) -> list[Orphan]:
    """Search the provider's list for what this catalog does not know that it bought."""
    if services.provider.offline:
        return []
    found = await adopt_listed(services, run_id=run_id, stats=stats)
    if not after_restore:
        return found or []
    if found is None:
        reason = (
            "Its list of predictions could not be read, so what was bought after the backup is "
            "not known here; buy nothing, and run `reelcat reconcile --after-restore` again."
        )
        stats.failures.append(
            Issue(what=services.provider.endpoint, reason=reason, kind="provider")
        )
        return []
    waiting = await asyncio.to_thread(count_waiting, services)
    if waiting:
        stats.notices.append(
            f"{waiting} more are of videos or questions that this catalog does not know yet; the "
            "next `reelcat run` over their folders collects them before it buys anything."
        )
    stats.notices.append(
        "The provider lists 7 days: what was bought before, and after the backup, is not found and "
        "would be bought again. Limits that were set since are gone: see `reelcat budget`."
    )
    return found


async def _collect(engine: Engine, orphans: Sequence[Orphan], stats: RunStats) -> None:
    stats.stage = "Asking after lost answers"
    async with together() as group:
        group.create_task(engine.collect(orphans))
        try:
            resolved = await resolve(
                engine.services, run_id=engine.run_id, until=engine.runner.stop_asked
            )
        except AccountStopped as error:  # what runs is collected all the same
            engine.stop_account(error)
            return
        stats.stage = "Collecting what is out"
        await engine.collect(resolved.adopted)


def _named(
    assume_lost: Sequence[int], older_than: timedelta | None, services: Services
) -> list[int]:
    """Give the uncertain submissions that a person gives up: these, and those that are older."""
    with services.catalog.read() as session:
        uncertain = outstanding.lost(session, None)
    known = {one.prediction_id for one in uncertain}
    for prediction_id in assume_lost:
        if prediction_id not in known:
            raise UsageError(
                f"Prediction {prediction_id} is not uncertain; `reelcat status` lists those."
            )
    named = list(assume_lost)
    if older_than is not None:
        oldest = services.provider.clock() - older_than
        named += [one.prediction_id for one in uncertain if one.submitted_at < oldest]
    return list(dict.fromkeys(named))


async def _acknowledge(services: Services, stats: RunStats) -> None:
    found = await services.writer.apply(
        partial(settlement.acknowledge, endpoint=services.provider.endpoint, now=services.clock())
    )
    noted = f"Took note of {found.predictions} bills that were higher than quoted"
    if found.lines:
        noted += f", and of {found.lines} lines that cannot be counted"
    stats.notices.append(f"{noted}.")


async def _assume_lost(prediction_ids: Sequence[int], services: Services, stats: RunStats) -> None:
    for prediction_id in prediction_ids:
        change = partial(predictions.assume_lost, prediction_id=prediction_id, now=services.clock())
        if not await services.writer.apply(change):
            stats.notices.append(
                f"Prediction {prediction_id} was not given up: the provider's list has told what "
                "became of it."
            )


async def _report(run_id: str, engine: Engine, services: Services, stats: RunStats) -> RunReport:
    def read() -> list[str]:
        with services.catalog.read() as session:
            totals = ledger.totals(session)
            stats.money.held, stats.money.charged = totals.held, totals.charged
            return outstanding.uncertain_names(session)

    name_uncertain(await asyncio.to_thread(read), stats)
    await name_drift(services, stats)
    stopped = engine.account_stop
    status = status_of(
        stats,
        account_stopped=stopped is not None,
        interrupted=engine.runner.stop_asked.is_set(),
        budget_reached=False,
    )
    return RunReport(
        run_id=run_id,
        status=status,
        stats=stats,
        stopped_by=None if stopped is None else str(stopped),
    )
