"""Recovery: what runs left that died, and what became of submissions whose answer was lost."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from catalog import matching, outstanding, predictions, runs
from catalog.errors import ProviderUnreadable
from catalog.matching import (
    LIST_KEEPS,
    Adopt,
    Evidence,
    Lost,
    NeverAccepted,
    StillUncertain,
    Verdict,
)
from catalog.outstanding import Orphan
from catalog.values import ListedPrediction, PredictionStatus, RefusalKind, Refused
from flows.pipeline.adoption import adopt_listed
from flows.pipeline.runner import RunContext
from tasks.foundation.processes import host, living
from tasks.runtime.services import Provider, Services
from tasks.runtime.stats import Issue, RunStats

#: Stands for the sandbox inside each process.
OFFLINE_ENDPOINT = "offline"


async def end_dead_runs(context: RunContext) -> None:
    """Write down which other runs are certainly dead: what they had claimed is free again."""
    services = context.services
    now = services.clock()
    liveness = await services.read(runs.unfinished)
    others = [seen for seen in liveness if seen.run_id != context.run_id]
    alive = await asyncio.to_thread(living) if others else {}
    dead = [
        seen.run_id for seen in others if runs.is_dead(seen, here=host(), living=alive, now=now)
    ]
    if dead:
        await services.write(runs.bury, run_ids=dead, now=now)


async def is_anything_left(context: RunContext) -> bool:
    """Whether there is anything that no living run looks after."""
    return bool(await context.services.read(_orphans, context.run_id))


def _orphans(session: Session, run_id: str) -> Sequence[Orphan]:
    return outstanding.orphans(session, run_id=run_id, alive=outstanding.alive_runs(session))


async def take_over(context: RunContext) -> list[Orphan]:
    """Look after what dead runs left; gives what runs at the provider and must be collected.

    What was held and not sent is released, once the provider's list was searched for it. What was
    being sent when its process died is uncertain. What is out elsewhere is left alone.
    """
    services, stats = context.services, context.stats
    await end_dead_runs(context)
    now = services.provider.clock.latest()
    found = await services.write(_take_orphans, run_id=context.run_id)
    running: list[Orphan] = []
    wrong: list[Orphan] = []
    elsewhere = 0
    may_release = True
    if any(one.status is PredictionStatus.HELD and _is_here(one, services) for one in found):
        # A catalog that was restored from a backup calls held what was sent after it.
        taken = frozenset(one.prediction_id for one in found)
        searched = await adopt_listed(context, taken=taken)
        may_release = searched is not None
        if not may_release:
            reason = "What a run that died held stays held until the provider's list can be read."
            endpoint = services.provider.endpoint
            stats.failures.append(Issue(what=endpoint, reason=reason, kind="provider"))
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
        await services.write(_put_right, orphans=wrong, now=now)
    if elsewhere:
        stats.notices.append(
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


def _take_orphans(session: Session, run_id: str) -> list[Orphan]:
    return outstanding.take_over(session, run_id=run_id, alive=outstanding.alive_runs(session))


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


#: So much earlier and later the list is asked for, where the provider has not told its time.
_SKEW = timedelta(minutes=5)
#: The first pause between two looks is this part of the settle delay; each further one is twice as
#: long. What was accepted is mostly listed at once.
_FIRST_PAUSE = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolution:
    """What became of the uncertain submissions."""

    #: Accepted after all; to be collected now.
    adopted: list[Orphan]
    #: Never accepted; free to be bought again.
    released: int
    #: Reasons by prediction id.
    still: dict[int, str]


async def resolve(context: RunContext, *, until: asyncio.Event | None = None) -> Resolution:
    """Find out which uncertain submissions were accepted.

    Waits, at most the settle delay and not longer than until `until` is set, for those that may
    still appear in the list, and looks again at growing intervals; without `until` it looks once.
    """
    services = context.services
    result = Resolution(adopted=[], released=0, still={})
    pause = services.provider.settle_delay.total_seconds() / _FIRST_PAUSE
    lost = await services.read(outstanding.lost, services.provider.endpoint)
    while lost:
        looked_at = services.provider.clock()
        verdicts = await _judge(lost, services, now=looked_at)
        result = await _apply(verdicts, result, context)
        # By the moment at which they were judged: one that grew old enough since was not.
        due = [
            one.lost_at + services.provider.settle_delay
            for one in lost
            if one.prediction_id in result.still
            and looked_at - one.lost_at < services.provider.settle_delay
        ]
        if until is None or not due:
            break
        left = max(0.0, (max(due) - services.provider.clock()).total_seconds())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(left, pause) + 0.05):
                await until.wait()
        pause *= 2
        if until.is_set():
            break
        lost = await services.read(outstanding.lost, services.provider.endpoint)
    return result


#: The list is read so many times longer not at all, and at least so many seconds.
_REST_TIMES, _LEAST_REST_SECONDS = 9, 1.0


@dataclass(kw_only=True, slots=True)
class LostAnswers:
    """Asks after the lost answers of one run while it goes on buying.

    It asks as soon as something was accepted that was begun after a loss: whatever the list shows
    then shows what was lost before it, too. What is not in it is asked after again at growing
    intervals. Reading takes a tenth of the time at most, for a list may be long.
    """

    context: RunContext
    #: When the first answer was lost that was not asked after.
    _lost_at: datetime | None = None
    _worthwhile: asyncio.Event = field(default_factory=asyncio.Event)

    def lost(self, at: datetime) -> None:
        """An answer was lost."""
        self._lost_at = self._lost_at or at

    def accepted(self, began: datetime) -> None:
        """A submission that began then was accepted."""
        if self._lost_at is not None and began >= self._lost_at:
            self._worthwhile.set()

    async def ask(
        self, collect: Callable[[Sequence[Orphan]], None], *, until: asyncio.Event
    ) -> None:
        """Hand over what was accepted after all, until `until` is set.

        Raises:
            AccountStopped: if the key is refused.
        """
        seconds = asyncio.get_running_loop().time
        first = self.context.services.provider.settle_delay.total_seconds() / _FIRST_PAUSE
        pause, again = first, math.inf
        while not await _is_set(until, or_else=self._worthwhile, seconds=again):
            self._lost_at = None
            self._worthwhile.clear()
            began = seconds()
            resolved = await resolve(self.context)
            if resolved.adopted:
                collect(resolved.adopted)
            rest = max(_REST_TIMES * (seconds() - began), _LEAST_REST_SECONDS)
            if await _is_set(until, seconds=rest):
                return
            again, pause = (pause, 2 * pause) if resolved.still else (math.inf, first)


async def _is_set(
    event: asyncio.Event, *, or_else: asyncio.Event | None = None, seconds: float
) -> bool:
    """Wait until an event is set, or the other one, or so long; whether the first one is."""
    waiting = [asyncio.ensure_future(one.wait()) for one in (event, or_else) if one is not None]
    try:
        await asyncio.wait(
            waiting,
            timeout=None if seconds == math.inf else seconds,
            return_when=asyncio.FIRST_COMPLETED,
        )
    finally:
        for one in waiting:
            one.cancel()
    return event.is_set()


async def _judge(lost: Sequence[Lost], services: Services, *, now: datetime) -> list[Verdict]:
    """Read the provider's list over the time in question and decide as of `now`, before it."""
    provider = services.provider
    first = min(one.submitted_at for one in lost) - _SKEW
    since = first - _SKEW
    expected = await services.read(  # what the list must show, by id, with its submission's time
        outstanding.accepted_since,
        provider.endpoint,
        provider.prices.model,
        since=max(first, now - LIST_KEEPS),
    )
    listed: list[ListedPrediction] = []
    complete = True
    rows = provider.client.list_predictions(
        model=provider.prices.model, created_after=since, created_before=now + _SKEW
    )
    try:
        async for row in rows:
            listed.append(row)  # noqa: PERF401 - what was read before an error counts
    except ProviderUnreadable:
        complete = False
    evidence = await services.read(_evidence, provider, listed, expected, complete=complete)
    return matching.judge(lost, evidence, settle_delay=provider.settle_delay, now=now)


def _evidence(
    session: Session,
    provider: Provider,
    listed: Sequence[ListedPrediction],
    expected: Mapping[str, datetime],
    *,
    complete: bool,
) -> Evidence:
    """Add to the list what the catalog knows of it, as it stands now that the list was read."""
    seen = {row.provider_id for row in listed}
    return Evidence(
        listed=listed,
        known=outstanding.known(session, [row.provider_id for row in listed]),
        unanswered=outstanding.unanswered(session, provider.endpoint, now=provider.clock.latest()),
        complete=complete,
        exclusive=provider.exclusive,
        missing=[at for one, at in expected.items() if one not in seen],
        account=provider.account,
    )


async def _apply(
    verdicts: Sequence[Verdict], before: Resolution, context: RunContext
) -> Resolution:
    services, run_id = context.services, context.run_id
    adopted, released = list(before.adopted), before.released
    still: dict[int, str] = {}
    now = services.provider.clock()
    for verdict in verdicts:
        match verdict:
            case Adopt():
                orphan = await services.write(_adopt, verdict=verdict, run_id=run_id, now=now)
                adopted.extend([orphan] if orphan is not None else [])
            case NeverAccepted(prediction_id=prediction_id):
                released += await services.write(
                    predictions.deny, prediction_id=prediction_id, now=now
                )
            case StillUncertain(prediction_id=prediction_id, reason=reason):
                still[prediction_id] = reason
    return Resolution(adopted=adopted, released=released, still=still)


def _adopt(session: Session, verdict: Adopt, run_id: str, now: datetime) -> Orphan | None:
    taken = predictions.adopt(
        session, verdict.prediction_id, verdict.provider_id, run_id=run_id, now=now
    )
    session.flush()
    return outstanding.one(session, verdict.prediction_id) if taken else None


def name_uncertain(names: Sequence[str], stats: RunStats) -> None:
    """Count the submissions whose outcome is still unknown, and say what happens to each."""
    stats.analyses.uncertain = len(names)
    reason = (
        "The answer to its submission was lost. Its money stays held and nothing is sent again "
        "until `reelcat reconcile` knows what became of it."
    )
    stats.failures.extend(Issue(what=name, reason=reason, kind="uncertain") for name in names)
