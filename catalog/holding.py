"""Holding: set money aside for predictions, and make the intent to submit them durable.

Both are called inside a transaction, which is what keeps a budget's limit and the account's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, insert, literal, select, update
from sqlalchemy.orm import Session

from catalog import analyses, budgets, ledger, predictions, rate_limits, tables
from catalog.budget_limits import Scopes, allocate, free_in_all
from catalog.errors import CatalogReplaced
from catalog.lifecycle import ENDED, LIVE
from catalog.matching import identity_digest, new_token
from catalog.models import Analysis, Prediction
from catalog.planning import Candidate
from catalog.rate_limits import Limits
from catalog.tables import UNFINISHED
from catalog.values import AnalysisStatus, LedgerKind, PredictionStatus, VideoAccess

_predictions = tables.predictions
_entries = tables.ledger_entries


@dataclass(frozen=True, kw_only=True, slots=True)
class Reservation:
    """A prediction whose money is set aside, from its hold to its POST."""

    job: Candidate
    prediction_id: int
    token: str
    #: What the catalog knew of where its video can be read; None until it was asked.
    access: VideoAccess | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldResult:
    """What became of a page of jobs."""

    held: tuple[Reservation, ...]
    over_budget: tuple[Candidate, ...]
    #: Not startable any more: another process has them, or a failed attempt is not settled.
    taken: tuple[Candidate, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Purchase:
    """On whose behalf, where and under which budgets predictions are held."""

    #: Whose budget it counts against.
    run_id: str
    endpoint: str
    price_list: str
    scopes: Scopes
    #: Which run looks after it, where that is another one.
    owner_run_id: str | None = None


def hold(
    session: Session,
    jobs: Sequence[Candidate],
    purchase: Purchase,
    *,
    now: datetime,
    unique: Callable[[], str],
) -> HoldResult:
    """Set money aside for as many jobs as every budget allows, in order.

    `unique` gives at each call what makes a token the only one of its kind.
    """
    free = _startable(session, [job.left.analysis_id for job in jobs])
    startable = [job for job in jobs if job.left.analysis_id in free]
    usages = budgets.lock(session, purchase.scopes)
    allocation = allocate([job.quote_micros for job in startable], free_in_all(usages))
    taken = [startable[position] for position in allocation.taken]
    return HoldResult(
        held=tuple(_insert(session, taken, purchase, now, unique)),
        over_budget=tuple(startable[position] for position in allocation.left),
        taken=tuple(job for job in jobs if job.left.analysis_id not in free),
    )


def _startable(session: Session, analysis_ids: Sequence[int]) -> set[int]:
    busy = exists().where(Prediction.analysis_id == Analysis.id, Prediction.status.in_(LIVE))
    unsettled = exists().where(
        Prediction.analysis_id == Analysis.id,
        Prediction.status.in_(ENDED),
        Prediction.settled_at.is_(None),
    )
    return set(
        session.scalars(
            select(Analysis.id)
            .where(
                Analysis.id.in_(analysis_ids),
                Analysis.status.in_((AnalysisStatus.WANTED, AnalysisStatus.FAILED)),
                ~busy,
                ~unsettled,
            )
            .order_by(Analysis.id)
            .with_for_update()
        )
    )


def _insert(
    session: Session,
    jobs: Sequence[Candidate],
    purchase: Purchase,
    now: datetime,
    unique: Callable[[], str],
) -> list[Reservation]:
    if not jobs:
        return []
    analysis_ids = [job.left.analysis_id for job in jobs]
    identities = analyses.identities(session, analysis_ids)
    tokens = [new_token(identity_digest(identities[one]), unique()) for one in analysis_ids]
    inserted = session.execute(
        insert(_predictions).returning(_predictions.c.token, _predictions.c.id),
        [
            {
                "token": token,
                "analysis_id": job.left.analysis_id,
                "run_id": purchase.run_id,
                "owner_run_id": purchase.owner_run_id or purchase.run_id,
                "endpoint": purchase.endpoint,
                "status": PredictionStatus.HELD,
                "quoted_micros": job.quote_micros,
                "price_list": purchase.price_list,
                "budget_day": purchase.scopes.day,
                "budget_month": purchase.scopes.month,
                "held_at": now,
            }
            for job, token in zip(jobs, tokens, strict=True)
        ],
    )
    ids: dict[str, int] = {row.token: row.id for row in inserted}
    entries = {
        "prediction_id": _predictions.c.id,
        "kind": literal(LedgerKind.HOLD, _entries.c.kind.type),
        "amount_micros": _predictions.c.quoted_micros,
        "at": _predictions.c.held_at,
        "price_list": _predictions.c.price_list,
    }
    held = select(*entries.values()).where(_predictions.c.id.in_(ids.values()))
    session.execute(insert(_entries).from_select(list(entries), held.order_by(_predictions.c.id)))
    budgets.commit(session, list(purchase.scopes), sum(job.quote_micros for job in jobs))
    session.execute(
        update(Analysis)
        .where(Analysis.id.in_(analysis_ids))
        .values(status=AnalysisStatus.PENDING, error=None)
        .execution_options(synchronize_session=False)
    )
    return [
        Reservation(job=job, prediction_id=ids[token], token=token)
        for job, token in zip(jobs, tokens, strict=True)
    ]


@dataclass(frozen=True, kw_only=True, slots=True)
class Intents:
    """Which predictions may be sent now, and which never again."""

    granted: frozenset[int]
    #: Not held any more: another process released them, or a lowered limit does not cover them.
    gone: frozenset[int]


def intend(
    session: Session,
    prediction_ids: Sequence[int],
    endpoint: str,
    limits: Limits,
    *,
    last: int | None = None,
    now: datetime,
) -> Intents:
    """Make the intent to submit durable, for as many as the account's limits allow now.

    Only what is granted may be sent, once, after the transaction has been committed. The budgets
    are looked at again: what a lowered limit does not cover is released. `last` is one that was
    granted before.

    Raises:
        CatalogReplaced: if the catalog knows nothing of these, or has gone back to before `last`.
    """
    known = set(prediction_ids) | ({last} - {None})
    rows = session.execute(
        select(
            Prediction.id,
            Prediction.status,
            Prediction.analysis_id,
            Prediction.run_id,
            Prediction.budget_day,
            Prediction.budget_month,
        )
        .where(Prediction.id.in_(known))
        .with_for_update()
    ).all()
    unsent = [row for row in rows if row.status is PredictionStatus.HELD]
    if len(rows) < len(known) or any(row.id == last for row in unsent):
        raise CatalogReplaced
    scopes = {scope for row in unsent for scope in ledger.scopes_of(row)}
    held = {row.id for row in unsent} - _release_excess(session, scopes, now=now)
    held -= _release_superseded(session, {row.id: row.analysis_id for row in unsent}, now=now)
    waiting = [prediction_id for prediction_id in prediction_ids if prediction_id in held]
    granted = waiting[: rate_limits.take_starts(session, endpoint, len(waiting), limits, now=now)]
    if granted:
        session.execute(
            update(Prediction)
            .where(Prediction.id.in_(granted))
            .values(status=PredictionStatus.SUBMITTING, submitted_at=now)
            .execution_options(synchronize_session=False)
        )
    return Intents(granted=frozenset(granted), gone=frozenset(prediction_ids) - held)


def _release_superseded(session: Session, unsent: Mapping[int, int], *, now: datetime) -> set[int]:
    """Release holds, given with their analyses, of which another prediction has come to light.

    It was bought before, and was found after the hold was made. Gives what was released.
    """
    bought = set(
        session.scalars(
            select(Prediction.analysis_id).where(
                Prediction.analysis_id.in_(set(unsent.values())),
                Prediction.surplus.is_(True),
                Prediction.status.in_(LIVE),
            )
        )
    )
    released = {one for one, analysis_id in unsent.items() if analysis_id in bought}
    for prediction_id in sorted(released):
        reason = "It had been bought before."
        predictions.drop(session, prediction_id, reason=reason, retry=True, now=now)
    session.flush()
    return released


def _release_excess(session: Session, scopes: Collection[str], *, now: datetime) -> set[int]:
    """Release holds under these budgets until what is committed is within each limit again.

    It never is more unless a limit was lowered. The latest holds go first, whoever has them; what
    may have been sent stays. Gives what was released.
    """
    usages = budgets.usages(session, sorted(scopes))
    excess = {one.scope: one.excess_micros for one in usages if one.excess_micros}
    released: set[int] = set()
    if not excess:
        return released
    unsent = session.scalars(
        select(Prediction)
        .where(UNFINISHED, Prediction.status == PredictionStatus.HELD, Prediction.quoted_micros > 0)
        .order_by(Prediction.id.desc())
    ).all()
    for prediction in unsent:
        over = [scope for scope in ledger.scopes_of(prediction) if excess.get(scope, 0) > 0]
        if over:
            reason = "A limit was lowered before it was sent."
            predictions.drop(session, prediction.id, reason=reason, retry=True, now=now)
            released.add(prediction.id)
            for scope in ledger.scopes_of(prediction):
                excess[scope] = excess.get(scope, 0) - prediction.quoted_micros
    session.flush()
    return released
