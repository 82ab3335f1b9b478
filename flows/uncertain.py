"""Uncertain: find out what became of submissions whose answer was lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.orm import Session

from catalog import collecting, matching, predictions
from catalog.collecting import Orphan
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
from catalog.values import ListedPrediction
from tasks.services import Services
from tasks.tally import Tally, Trouble

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


async def resolve(
    services: Services, *, run_id: str, until: asyncio.Event | None = None
) -> Resolution:
    """Find out which uncertain submissions were accepted.

    Waits, at most the settle delay and not longer than until `until` is set, for those that may
    still appear in the list, and looks again at growing intervals; without `until` it looks once.
    """
    result = Resolution(adopted=[], released=0, still={})
    pause = services.provider.settle_delay.total_seconds() / _FIRST_PAUSE
    lost = await asyncio.to_thread(_lost, services)
    while lost:
        looked_at = services.provider.clock()
        verdicts = await _judge(lost, services, now=looked_at)
        result = await _apply(verdicts, result, services, run_id)
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
        lost = await asyncio.to_thread(_lost, services)
    return result


def _lost(services: Services) -> list[Lost]:
    with services.catalog.read() as session:
        return collecting.lost(session, services.provider.endpoint)


async def _judge(lost: Sequence[Lost], services: Services, *, now: datetime) -> list[Verdict]:
    """Read the provider's list over the time in question and decide as of `now`, before it."""
    first = min(one.submitted_at for one in lost) - _SKEW
    since = first - _SKEW
    expected = await asyncio.to_thread(_expected, services, max(first, now - LIST_KEEPS))
    listed: list[ListedPrediction] = []
    complete = True
    rows = services.provider.client.list_predictions(
        model=services.provider.prices.model, created_after=since, created_before=now + _SKEW
    )
    try:
        async for row in rows:
            listed.append(row)  # noqa: PERF401 - what was read before an error counts
    except ProviderUnreadable:
        complete = False
    evidence = await asyncio.to_thread(_evidence, services, listed, expected, complete=complete)
    return matching.judge(lost, evidence, settle_delay=services.provider.settle_delay, now=now)


def _expected(services: Services, since: datetime) -> dict[str, datetime]:
    """Give what the list must show, by id, with the time of its submission."""
    provider = services.provider
    with services.catalog.read() as session:
        return collecting.accepted_since(
            session, provider.endpoint, provider.prices.model, since=since
        )


def _evidence(
    services: Services,
    listed: Sequence[ListedPrediction],
    expected: Mapping[str, datetime],
    *,
    complete: bool,
) -> Evidence:
    """Add to the list what the catalog knows of it, as it stands now that the list was read."""
    seen = {row.provider_id for row in listed}
    with services.catalog.read() as session:
        return Evidence(
            listed=listed,
            known=collecting.known(session, [row.provider_id for row in listed]),
            unanswered=collecting.unanswered(
                session, services.provider.endpoint, now=services.provider.clock.latest()
            ),
            complete=complete,
            exclusive=services.provider.exclusive,
            missing=[at for one, at in expected.items() if one not in seen],
        )


async def _apply(
    verdicts: Sequence[Verdict], before: Resolution, services: Services, run_id: str
) -> Resolution:
    adopted, released = list(before.adopted), before.released
    still: dict[int, str] = {}
    now = services.provider.clock()
    for verdict in verdicts:
        match verdict:
            case Adopt():
                change = partial(_adopt, verdict=verdict, run_id=run_id, now=now)
                orphan = await services.writer.apply(change)
                adopted.extend([orphan] if orphan is not None else [])
            case NeverAccepted(prediction_id=prediction_id):
                released += await services.writer.apply(
                    partial(predictions.deny, prediction_id=prediction_id, now=now)
                )
            case StillUncertain(prediction_id=prediction_id, reason=reason):
                still[prediction_id] = reason
    return Resolution(adopted=adopted, released=released, still=still)


def _adopt(session: Session, verdict: Adopt, run_id: str, now: datetime) -> Orphan | None:
    taken = predictions.adopt(
        session, verdict.prediction_id, verdict.provider_id, run_id=run_id, now=now
    )
    session.flush()
    return collecting.one(session, verdict.prediction_id) if taken else None


def name_uncertain(names: Sequence[str], tally: Tally) -> None:
    """Count the submissions whose outcome is still unknown, and say what happens to each."""
    tally.analyses.uncertain = len(names)
    reason = (
        "The answer to its submission was lost. Its money stays held and nothing is sent again "
        "until `reelcat reconcile` knows what became of it."
    )
    tally.failures.extend(Trouble(what=name, reason=reason, kind="uncertain") for name in names)
