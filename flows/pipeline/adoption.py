"""Adopt: find at the provider what was bought with our tokens and is in no row of the catalog.

A catalog that was restored from a backup has forgotten what it bought since. Each submission's
address carries a token that says which analysis it was for, so the provider's list tells it. What
is found is collected and counted like anything else that was bought, and is not bought again.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from catalog import adoption, analyses, budgets, outstanding, predictions, runs
from catalog.adoption import Claim, Unclaimed
from catalog.budget_limits import scopes_at
from catalog.errors import AccountStopped, ProviderUnreadable
from catalog.matching import LIST_KEEPS, digest_in, identity_digest, new_token, token_of
from catalog.outstanding import Orphan, Sent
from catalog.predictions import ADOPTABLE
from catalog.pricing import quote
from catalog.values import ListedPrediction, PredictionStatus, RunStatus
from flows.pipeline.runner import RunContext
from tasks.foundation.processes import this_process
from tasks.runtime.services import Services
from tasks.wavespeed.paging import PAGE_SIZE

#: Rows that are looked up in the catalog together.
_ROWS_AT_ONCE = 1000


@dataclass(kw_only=True, slots=True)
class _Found:
    """What the provider's list shows that the catalog does not have."""

    #: Sent with a token of this catalog, which it does not know to have been sent.
    sent: list[tuple[ListedPrediction, Sent]] = field(default_factory=list)
    #: Sent with a token that only another catalog can have made.
    unclaimed: list[Unclaimed] = field(default_factory=list)
    #: Sent with a token of the form that does not say which analysis it was for.
    strangers: int = 0


async def adopt_listed(
    context: RunContext, *, taken: frozenset[int] = frozenset()
) -> list[Orphan] | None:
    """Adopt what the provider lists with our tokens; gives what is to be collected.

    `taken` are holds that this run has taken over from dead ones, and does not send. What is of an
    analysis that nobody wants here yet is remembered until somebody does. None if the list cannot
    be read to its end, or lacks what it must show: then its silence proves nothing.
    """
    services, stats = context.services, context.stats
    try:
        found = await _read_list(services, taken)
    except (ProviderUnreadable, AccountStopped) as error:
        stats.notices.append(
            f"The provider's list could not be searched for what another catalog bought: {error}"
        )
        return None
    adopted: list[Orphan] = []
    for row, sent in found.sent:
        orphan = await services.write(
            _adopt, row=row, sent=sent, run_id=context.run_id, now=services.provider.clock()
        )
        adopted.extend([orphan] if orphan is not None else [])
    if found.unclaimed:
        endpoint = services.provider.endpoint
        await services.write(adoption.remember, endpoint=endpoint, found=found.unclaimed)
    if found.strangers:
        stats.notices.append(
            f"{found.strangers} predictions at the provider carry tokens of another catalog, or of "
            "an older version of this one, and were left alone."
        )
    adopted += await claim_wanted(context)
    return adopted


async def adopt_recent(context: RunContext) -> list[Orphan]:
    """Adopt as `adopt_listed` does, if the newest page of the list shows that there is anything.

    Costs one request before a run buys, and saves whoever restored a catalog and forgot to say so.

    Raises:
        ProviderUnreadable: if something was bought that is not known here, and the list does not
            say what; whoever bought now would buy it again.
    """
    services, stats = context.services, context.stats
    if services.provider.offline:
        return []
    try:
        if not await _shows_unknown(services):
            return []
    except (ProviderUnreadable, AccountStopped) as error:
        stats.notices.append(
            "The provider's list could not be read, so nobody looked whether another catalog, or "
            f"this one before it was restored, bought the same: {error}"
        )
        return []
    adopted = await adopt_listed(context)
    if adopted is None:
        raise ProviderUnreadable(
            "The provider lists predictions with tokens of ours that this catalog does not know, "
            "and the list cannot be read to its end, so nothing is bought. Try again later."
        )
    return adopted


async def claim_wanted(context: RunContext) -> list[Orphan]:
    """Adopt what was remembered and is of an analysis of this catalog; gives it to be collected."""
    services, stats = context.services, context.stats
    waiting = await _waiting(services)
    if not waiting:
        return []
    claims = await services.read(_claims, waiting, services, context.run_id)
    if not claims:
        return []
    adopted = await services.write(_claim_all, claims=claims, services=services)
    if adopted:
        stats.notices.append(
            f"{len(adopted)} predictions that another catalog bought, or this one before it was "
            "restored, are collected and counted here; none of them is bought again."
        )
    return adopted


async def count_waiting(services: Services) -> int:
    """Count what was found and is of no analysis of this catalog so far."""
    return len(await _waiting(services))


async def _waiting(services: Services) -> list[Unclaimed]:
    return await services.read(
        adoption.kept, services.provider.endpoint, now=services.provider.clock()
    )


async def _read_list(services: Services, taken: frozenset[int]) -> _Found:
    """Read the whole list of the last days.

    Raises:
        ProviderUnreadable: if it cannot be read to its end, or lacks what was certainly accepted.
    """
    found, page = _Found(), list[ListedPrediction]()
    missing = await _expected(services)
    async for row in _listed(services):
        missing.discard(row.provider_id)
        page.append(row)
        if len(page) >= _ROWS_AT_ONCE:
            await services.read(_sort, page, found, taken, now=services.provider.clock())
            page = []
    await services.read(_sort, page, found, taken, now=services.provider.clock())
    if missing:
        raise ProviderUnreadable(
            f"It lacks {len(missing)} predictions that were certainly accepted. It lags, or is "
            "another account's."
        )
    return found


async def _expected(services: Services) -> set[str]:
    """Give the ids that the list must show: what was accepted longer ago than it may lag."""
    provider = services.provider
    now = provider.clock.earliest()
    accepted = await services.read(
        outstanding.accepted_since,
        provider.endpoint,
        provider.prices.model,
        since=now - LIST_KEEPS,
    )
    return {one for one, at in accepted.items() if at <= now - provider.settle_delay}


async def _shows_unknown(services: Services) -> bool:
    """Whether the newest page of the list has what the catalog neither has nor remembers.

    Raises:
        ProviderUnreadable: if it cannot be read.
    """
    found, page = _Found(), list[ListedPrediction]()
    trouble: ProviderUnreadable | None = None
    try:
        async with aclosing(_listed(services)) as rows:
            async for row in rows:
                page.append(row)
                if len(page) >= PAGE_SIZE:
                    break
    except ProviderUnreadable as error:
        trouble = error  # what was read before it counts
    await services.read(_sort, page, found, frozenset(), now=services.provider.clock())
    kept = {one.provider_id for one in await _waiting(services)}
    shows = bool(found.sent) or any(one.provider_id not in kept for one in found.unclaimed)
    if trouble is not None and not shows:
        raise trouble
    return shows


def _listed(services: Services) -> AsyncGenerator[ListedPrediction]:
    """List what the provider still knows, by the model in use."""
    clock = services.provider.clock
    return services.provider.client.list_predictions(
        model=services.provider.prices.model,
        created_after=clock.earliest() - LIST_KEEPS,
        created_before=clock.latest() + LIST_KEEPS,
    )


def _sort(
    session: Session,
    rows: Sequence[ListedPrediction],
    found: _Found,
    taken: frozenset[int],
    *,
    now: datetime,
) -> None:
    """Add what these rows show of ours that the catalog does not have."""
    tokens = {
        row.provider_id: token
        for row in rows
        if row.video_url is not None and (token := token_of(row.video_url)) is not None
    }
    known = outstanding.known(session, list(tokens))
    ours = outstanding.by_token(session, list(tokens.values()))
    alive = frozenset(outstanding.alive_runs(session))
    for row in rows:
        token = tokens.get(row.provider_id)
        if token is None or row.provider_id in known:
            continue
        sent, digest = ours.get(token), digest_in(token)
        if sent is not None and _is_being_sent(sent, alive, taken):
            continue
        if sent is not None and sent.status in ADOPTABLE:
            found.sent.append((row, sent))
        elif digest is None:
            found.strangers += 1
        else:
            found.unclaimed.append(
                Unclaimed(
                    provider_id=row.provider_id,
                    token=token,
                    digest=digest,
                    created_at=row.created_at or now,
                )
            )


def _is_being_sent(sent: Sent, alive: frozenset[str], taken: frozenset[int]) -> bool:
    """Whether somebody is about to write down what becomes of a submission."""
    if sent.status is PredictionStatus.SUBMITTING:  # of a dead run: it is asked after next
        return True
    is_held = sent.status is PredictionStatus.HELD
    return is_held and sent.owner_run_id in alive and sent.prediction_id not in taken


def _adopt(
    session: Session, row: ListedPrediction, sent: Sent, run_id: str, now: datetime
) -> Orphan | None:
    """Adopt one that was sent with a token of this catalog."""
    began = row.created_at or now
    taken = predictions.adopt(
        session, sent.prediction_id, row.provider_id, run_id=run_id, now=began
    )
    session.flush()
    return outstanding.one(session, sent.prediction_id) if taken else None


def _claims(
    session: Session, waiting: Sequence[Unclaimed], services: Services, run_id: str
) -> list[Claim]:
    """Say which analyses of this catalog these are of, and what they cost at most."""
    prices = services.provider.prices
    by_digest: dict[str, list[Unclaimed]] = {}
    for one in waiting:
        by_digest.setdefault(one.digest, []).append(one)
    claims: list[Claim] = []
    bought_by = str(uuid.uuid4())
    for analysis in analyses.stream_identified(session, prices.model):
        digest = identity_digest(analysis.identity)
        micros = quote(analysis.duration_seconds, prices)
        if micros is None:
            continue
        claims += [
            Claim(
                analysis_id=analysis.analysis_id,
                provider_id=one.provider_id,
                endpoint=services.provider.endpoint,
                created_at=one.created_at,
                quote_micros=micros,
                price_list=prices.version,
                # The provider may have taken two under one token; one of them keeps it.
                token=one.token,
                spare_token=new_token(digest, services.new_token()),
                scopes=scopes_at(one.created_at, run_id=bought_by, zone=services.zone),
                run_id=bought_by,
                owner_run_id=run_id,
            )
            for one in by_digest.pop(digest, [])
        ]
    return claims


def _claim_all(session: Session, claims: Sequence[Claim], services: Services) -> list[Orphan]:
    """Adopt these under a run of their own: whoever finds them did not buy them."""
    now = services.clock()
    adopting = claims[0].run_id
    runs.start(
        session,
        adopting,
        command="adopt",
        parameters={},
        process=this_process(),
        flow_run_id=None,
        now=now,
    )
    budgets.open_run(session, f"run:{adopting}", None)
    session.flush()
    adopted: list[Orphan] = []
    for one in claims:
        prediction_id = adoption.claim(session, one, now=services.provider.clock())
        adoption.forget(session, one.endpoint, one.provider_id)
        if prediction_id is not None:
            session.flush()
            adopted.append(outstanding.one(session, prediction_id))
    adoption.forget_old(session, now=services.provider.clock())
    runs.finish(session, adopting, outcome=RunStatus.COMPLETED, counts={}, now=now)
    return adopted
