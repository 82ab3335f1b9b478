"""Orphans: look after what runs left that died."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import partial

from sqlalchemy.orm import Session

from catalog import collecting, predictions, runs
from catalog.collecting import Orphan
from catalog.values import PredictionStatus, RefusalKind, Refused
from flows.adopt import adopt_listed
from tasks.processes import host, living
from tasks.services import Services
from tasks.tally import Tally, Trouble

#: Stands for the sandbox inside each process.
OFFLINE_ENDPOINT = "offline"


async def bury_the_dead(services: Services, *, run_id: str) -> None:
    """Write down which other runs are certainly dead: what they had claimed is free again."""
    now = services.clock()
    sightings = await asyncio.to_thread(_unfinished_runs, services)
    others = [seen for seen in sightings if seen.run_id != run_id]
    alive = await asyncio.to_thread(living) if others else {}
    dead = [
        seen.run_id for seen in others if runs.is_dead(seen, here=host(), living=alive, now=now)
    ]
    if dead:
        await services.writer.apply(partial(runs.bury, run_ids=dead, now=now))


async def is_anything_left(services: Services, *, run_id: str) -> bool:
    """Whether there is anything that no living run looks after."""

    def look() -> bool:
        with services.catalog.read() as session:
            alive = collecting.alive_runs(session)
            return bool(collecting.orphans(session, run_id=run_id, alive=alive))

    return await asyncio.to_thread(look)


async def take_over(services: Services, *, run_id: str, tally: Tally) -> list[Orphan]:
    """Look after what dead runs left; gives what runs at the provider and must be collected.

    What was held and not sent is released, once the provider's list was searched for it. What was
    being sent when its process died is uncertain. What is out elsewhere is left alone.
    """
    await bury_the_dead(services, run_id=run_id)
    now = services.provider.clock.latest()
    found = await services.writer.apply(partial(_take_orphans, run_id=run_id))
    running: list[Orphan] = []
    wrong: list[Orphan] = []
    elsewhere = 0
    may_release = True
    if any(one.status is PredictionStatus.HELD and _is_here(one, services) for one in found):
        # A catalog that was restored from a backup calls held what was sent after it.
        taken = frozenset(one.prediction_id for one in found)
        searched = await adopt_listed(services, run_id=run_id, tally=tally, taken=taken)
        may_release = searched is not None
        if not may_release:
            reason = "What a run that died held stays held until the provider's list can be read."
            endpoint = services.provider.endpoint
            tally.failures.append(Trouble(what=endpoint, reason=reason, kind="provider"))
        running += searched or []
    for orphan in found:
        is_out = orphan.status in {PredictionStatus.HELD, PredictionStatus.RUNNING}
        if is_out and not _is_offline(orphan.endpoint) and not _is_here(orphan, services):
            elsewhere += 1
        elif orphan.status is PredictionStatus.RUNNING and _is_here(orphan, services):
            running.append(orphan)
        elif orphan.status is PredictionStatus.HELD and _is_here(orphan, services):
            if may_release:
                wrong.append(orphan)
        else:
            wrong.append(orphan)
    if wrong:  # at once, so that no plan sees a part of it
        await services.writer.apply(partial(_put_right, orphans=wrong, now=now))
    if elsewhere:
        tally.notices.append(
            f"{elsewhere} predictions of earlier runs are out at another provider's address; a run "
            "or `reelcat reconcile` that is configured for it collects them."
        )
    return running


def _is_here(orphan: Orphan, services: Services) -> bool:
    """Whether it would have been sent to the provider that this run speaks to, for money."""
    return orphan.endpoint == services.provider.endpoint and not _is_offline(orphan.endpoint)


def _is_offline(endpoint: str) -> bool:
    """Whether an endpoint lived in the process that died, and never cost anything."""
    return endpoint == OFFLINE_ENDPOINT


def _unfinished_runs(services: Services) -> list[runs.Sighting]:
    with services.catalog.read() as session:
        return runs.unfinished(session)


def _take_orphans(session: Session, run_id: str) -> list[Orphan]:
    return collecting.take_over(session, run_id=run_id, alive=collecting.alive_runs(session))


def _put_right(session: Session, orphans: Sequence[Orphan], now: datetime) -> None:
    """Move what dead processes left half-way to where the lifecycle can go on."""
    for orphan in orphans:
        _put_one_right(session, orphan, now)


def _put_one_right(session: Session, orphan: Orphan, now: datetime) -> None:
    match orphan.status:
        case PredictionStatus.HELD:
            predictions.drop(session, orphan.prediction_id, reason=None, retry=True, now=now)
        case PredictionStatus.SUBMITTING if _is_offline(orphan.endpoint):
            refusal = Refused(kind=RefusalKind.NOT_SENT, reason="The process ended.")
            predictions.refuse(session, orphan.prediction_id, refusal, now=now)
        case PredictionStatus.SUBMITTING:
            reason = "The process that sent it died before it learned the answer."
            predictions.lose(
                session,
                orphan.prediction_id,
                reason=reason,
                now=now,
                # Here the list of processes shows that it is gone; elsewhere only silence does.
                may_be_asleep=orphan.host != host(),
            )
        case PredictionStatus.RUNNING:
            predictions.expire(session, orphan.prediction_id, now=now)
        case _:
            pass
