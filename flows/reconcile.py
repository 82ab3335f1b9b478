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

from catalog import collecting, drift, ledger, predictions
from catalog.analyses import Wish
from catalog.collecting import Orphan
from catalog.errors import AccountStopped, UsageError
from flows.adopt import adopt_listed, count_waiting
from flows.bill import settle_or_say_why
from flows.door import Door
from flows.options import RunOptions
from flows.orphans import take_over
from flows.predict import Engine, new_engine
from flows.preflight import learn_time, name_drift
from flows.recording import background, recorded
from flows.report import RunReport, status_of
from flows.settings import Settings
from flows.uncertain import name_uncertain, resolve
from tasks.services import Services
from tasks.tally import Tally, Trouble
from tasks.together import together


class Acknowledge(enum.Enum):
    """What a person takes note of."""

    NOTHING = enum.auto()
    DRIFT = enum.auto()


async def reconcile(
    options: RunOptions,
    settings: Settings,
    services: Services,
    door: Door,
    tally: Tally,
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
    async with recorded("reconcile", options, services, tally) as record:
        engine = new_engine(
            services,
            run_id=record.run_id,
            wish=Wish(model=services.provider.prices.model, tasks=options.tasks),
            zone=settings.zone,
            door=door,
            tally=tally,
            rng=random.Random(),  # noqa: S311 - spreads polls, guards nothing
        )
        async with background(engine.watch()):
            orphans = await take_over(services, run_id=record.run_id, tally=tally)
            named = await asyncio.to_thread(_named, assume_lost, older_than, services)
            orphans += await _adopt(services, record.run_id, tally, after_restore=after_restore)
            await door.batch("collect", partial(_collect, engine, orphans, tally))
            await _assume_lost(named, services, tally)
            await door.batch("settle", partial(settle_or_say_why, services, tally))
        if acknowledge is Acknowledge.DRIFT:
            await _acknowledge(services, tally)
        record.report = await _report(record.run_id, engine, services, tally)
    return record.report


async def _adopt(
    services: Services, run_id: str, tally: Tally, *, after_restore: bool
) -> list[Orphan]:
    """Search the provider's list for what this catalog does not know that it bought."""
    if services.provider.offline:
        return []
    found = await adopt_listed(services, run_id=run_id, tally=tally)
    if not after_restore:
        return found or []
    if found is None:
        reason = (
            "Its list of predictions could not be read, so what was bought after the backup is "
            "not known here; buy nothing, and run `reelcat reconcile --after-restore` again."
        )
        tally.failures.append(
            Trouble(what=services.provider.endpoint, reason=reason, kind="provider")
        )
        return []
    waiting = await asyncio.to_thread(count_waiting, services)
    if waiting:
        tally.notices.append(
            f"{waiting} more are of videos or questions that this catalog does not know yet; the "
            "next `reelcat run` over their folders collects them before it buys anything."
        )
    tally.notices.append(
        "The provider lists 7 days: what was bought before, and after the backup, is not found and "
        "would be bought again. Limits that were set since are gone: see `reelcat budget`."
    )
    return found


async def _collect(engine: Engine, orphans: Sequence[Orphan], tally: Tally) -> None:
    tally.stage = "Asking after lost answers"
    async with together() as group:
        group.create_task(engine.collect(orphans))
        try:
            resolved = await resolve(
                engine.services, run_id=engine.run_id, until=engine.door.stop_asked
            )
        except AccountStopped as error:  # what runs is collected all the same
            engine.stop_account(error)
            return
        tally.stage = "Collecting what is out"
        await engine.collect(resolved.adopted)


def _named(
    assume_lost: Sequence[int], older_than: timedelta | None, services: Services
) -> list[int]:
    """Give the uncertain submissions that a person gives up: these, and those that are older."""
    with services.catalog.read() as session:
        uncertain = collecting.lost(session, None)
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


async def _acknowledge(services: Services, tally: Tally) -> None:
    found = await services.writer.apply(
        partial(drift.acknowledge, endpoint=services.provider.endpoint, now=services.clock())
    )
    noted = f"Took note of {found.predictions} bills that were higher than quoted"
    if found.lines:
        noted += f", and of {found.lines} lines that cannot be counted"
    tally.notices.append(f"{noted}.")


async def _assume_lost(prediction_ids: Sequence[int], services: Services, tally: Tally) -> None:
    for prediction_id in prediction_ids:
        change = partial(predictions.assume_lost, prediction_id=prediction_id, now=services.clock())
        if not await services.writer.apply(change):
            tally.notices.append(
                f"Prediction {prediction_id} was not given up: the provider's list has told what "
                "became of it."
            )


async def _report(run_id: str, engine: Engine, services: Services, tally: Tally) -> RunReport:
    def read() -> list[str]:
        with services.catalog.read() as session:
            totals = ledger.totals(session)
            tally.money.held, tally.money.charged = totals.held, totals.charged
            return collecting.uncertain_names(session)

    name_uncertain(await asyncio.to_thread(read), tally)
    await name_drift(services, tally)
    stopped = engine.account_stop
    status = status_of(
        tally,
        account_stopped=stopped is not None,
        interrupted=engine.door.stop_asked.is_set(),
        budget_reached=False,
    )
    return RunReport(
        run_id=run_id,
        status=status,
        tally=tally,
        stopped_by=None if stopped is None else str(stopped),
    )
