"""Reconcile: collect what earlier runs left, resolve what is uncertain, compare with the bill.

Every run begins and ends with the same steps; this is the operation of its own, for a schedule
every few hours and for a person who wants to know.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.orm import Session

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
from flows.pipeline.request import RunRequest
from flows.pipeline.run_record import background, recorded
from flows.pipeline.runner import RunContext, Step
from tasks.foundation.concurrency import together
from tasks.runtime.stats import Issue


class Acknowledge(enum.Enum):
    """What a person takes note of."""

    NOTHING = enum.auto()
    DRIFT = enum.auto()


async def reconcile(
    request: RunRequest,
    context: RunContext,
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
    services, runner = context.services, context.runner
    await learn_time(services)
    async with recorded("reconcile", request, context) as record:
        engine = new_engine(
            context,
            spec=AnalysisSpec(model=services.provider.prices.model, tasks=request.questions.tasks),
            rng=random.Random(),  # noqa: S311 - spreads polls, guards nothing
        )
        async with background(engine.watch()):
            orphans = await take_over(context)
            named = await services.read(
                _named, assume_lost, older_than, now=services.provider.clock()
            )
            orphans += await _adopt(context, after_restore=after_restore)
            await runner.batch(Step.COLLECT, "collect", partial(_collect, engine, orphans))
            await _assume_lost(named, context)
            await runner.batch(Step.SETTLE, "settle", partial(settle_or_say_why, context))
        if acknowledge is Acknowledge.DRIFT:
            await _acknowledge(context)
        record.report = await _report(engine)
    return record.report


async def _adopt(context: RunContext, *, after_restore: bool) -> list[Orphan]:
    """Search the provider's list for what this catalog does not know that it bought."""
    services, stats = context.services, context.stats
    if services.provider.offline:
        return []
    found = await adopt_listed(context)
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
    waiting = await count_waiting(services)
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


async def _collect(engine: Engine, orphans: Sequence[Orphan]) -> None:
    context = engine.context
    context.stats.stage = "Asking after lost answers"
    async with together() as group:
        group.create_task(engine.collect(orphans))
        try:
            resolved = await resolve(context, until=context.runner.stop_asked)
        except AccountStopped as error:  # what runs is collected all the same
            engine.stop_account(error)
            return
        context.stats.stage = "Collecting what is out"
        await engine.collect(resolved.adopted)


def _named(
    session: Session, assume_lost: Sequence[int], older_than: timedelta | None, *, now: datetime
) -> list[int]:
    """Give the uncertain submissions that a person gives up: these, and those that are older."""
    uncertain = outstanding.lost(session, None)
    known = {one.prediction_id for one in uncertain}
    for prediction_id in assume_lost:
        if prediction_id not in known:
            raise UsageError(
                f"Prediction {prediction_id} is not uncertain; `reelcat status` lists those."
            )
    named = list(assume_lost)
    if older_than is not None:
        oldest = now - older_than
        named += [one.prediction_id for one in uncertain if one.submitted_at < oldest]
    return list(dict.fromkeys(named))


async def _acknowledge(context: RunContext) -> None:
    services = context.services
    found = await services.write(
        settlement.acknowledge, endpoint=services.provider.endpoint, now=services.clock()
    )
    noted = f"Took note of {found.predictions} bills that were higher than quoted"
    if found.lines:
        noted += f", and of {found.lines} lines that cannot be counted"
    context.stats.notices.append(f"{noted}.")


async def _assume_lost(prediction_ids: Sequence[int], context: RunContext) -> None:
    services = context.services
    for prediction_id in prediction_ids:
        if not await services.write(
            predictions.assume_lost, prediction_id=prediction_id, now=services.clock()
        ):
            context.stats.notices.append(
                f"Prediction {prediction_id} was not given up: the provider's list has told what "
                "became of it."
            )


async def _report(engine: Engine) -> RunReport:
    context = engine.context
    services, stats = context.services, context.stats
    totals = await services.read(ledger.totals)
    stats.money.held, stats.money.charged = totals.held, totals.charged
    name_uncertain(await services.read(outstanding.uncertain_names), stats)
    await name_drift(context)
    stopped = engine.account_stop
    status = status_of(
        stats,
        account_stopped=stopped is not None,
        interrupted=context.runner.stop_asked.is_set(),
        budget_reached=False,
    )
    return RunReport(
        run_id=context.run_id,
        status=status,
        stats=stats,
        stopped_by=None if stopped is None else str(stopped),
    )
