"""Budgets: limits over a run, a day and a month, and what is committed under each.

The rows are locked before they are read for a decision, so a check and the hold that follows it
are one step, whoever else is working.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from catalog.budget_limits import DAY, MONTH, BudgetUsage, Scopes
from catalog.errors import CatalogReplaced
from catalog.models import Budget, Prediction
from catalog.tables import UNFINISHED
from catalog.values import PredictionStatus


def open_run(session: Session, scope: str, limit_micros: int | None) -> None:
    """Give a run its own budget."""
    session.add(Budget(scope=scope, limit_micros=limit_micros, committed_micros=0))


def lock(session: Session, scopes: Scopes) -> list[BudgetUsage]:
    """Lock the budgets in `scopes` until the transaction ends, and give how they stand.

    A day or a month that was not met before begins with its standing limit.

    Raises:
        CatalogReplaced: if the run's own is gone, and with it the limit.
    """
    usages = _locked(session, scopes)
    met = {usage.scope for usage in usages}
    if scopes.run not in met:
        raise CatalogReplaced
    begun = [pair for pair in ((scopes.day, DAY), (scopes.month, MONTH)) if pair[0] not in met]
    for scope, standing_scope in begun:
        _begin(session, scope, standing_scope)
    return _locked(session, scopes) if begun else usages


def _locked(session: Session, scopes: Scopes) -> list[BudgetUsage]:
    rows = session.scalars(
        select(Budget)
        .where(Budget.scope.in_(list(scopes)))
        .order_by(Budget.scope)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return [_usage_of(row) for row in rows]


def _begin(session: Session, scope: str, standing_scope: str) -> None:
    build = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    limit = select(Budget.limit_micros).where(Budget.scope == standing_scope).scalar_subquery()
    session.execute(
        build(Budget)
        .values(scope=scope, limit_micros=limit, committed_micros=0)
        .on_conflict_do_nothing()
    )


def commit(session: Session, scopes: Sequence[str], micros: int) -> None:
    """Add `micros`, negative to take away, to what is committed under each scope."""
    if micros:
        session.execute(
            update(Budget)
            .where(Budget.scope.in_(scopes))
            .values(committed_micros=Budget.committed_micros + micros)
            .execution_options(synchronize_session=False)
        )


def set_limit(
    session: Session, scopes: Sequence[str], limit_micros: int | None
) -> list[BudgetUsage]:
    """Set the limit of each scope, None for no limit; gives how they stand then."""
    for scope in scopes:
        row = session.get(Budget, scope, with_for_update=True, populate_existing=True)
        if row is None:
            row = Budget(scope=scope, committed_micros=0)
            session.add(row)
        row.limit_micros = limit_micros
    session.flush()
    return [_usage_of(session.get_one(Budget, scope)) for scope in scopes]


def set_standing_limit(
    session: Session, standing_scope: str, current: str, limit_micros: int | None
) -> list[BudgetUsage]:
    """Set the limit of every day or month to come, and of the `current` one; as `set_limit`.

    A lower one also holds for what was held in an earlier day or month and is still to be sent.
    """
    column = Prediction.budget_day if standing_scope == DAY else Prediction.budget_month
    if limit_micros is not None:
        unsent = select(column).where(UNFINISHED, Prediction.status == PredictionStatus.HELD)
        session.execute(
            update(Budget)
            .where(
                Budget.scope.in_(unsent),
                or_(Budget.limit_micros.is_(None), Budget.limit_micros > limit_micros),
            )
            .values(limit_micros=limit_micros)
            .execution_options(synchronize_session=False)
        )
    return set_limit(session, [standing_scope, current], limit_micros)


def usages(session: Session, scopes: Sequence[str]) -> list[BudgetUsage]:
    """Give how the scopes stand, those that exist, by name."""
    rows = session.scalars(select(Budget).where(Budget.scope.in_(scopes)).order_by(Budget.scope))
    return [_usage_of(row) for row in rows]


def in_force(session: Session, scope: str, standing_scope: str) -> BudgetUsage:
    """Give how a day or month stands; one that has not begun has its standing limit."""
    row = session.get(Budget, scope)
    if row is not None:
        return _usage_of(row)
    usage = session.get(Budget, standing_scope)
    limit = None if usage is None else usage.limit_micros
    return BudgetUsage(scope=scope, limit_micros=limit, committed_micros=0)


def _usage_of(row: Budget) -> BudgetUsage:
    return BudgetUsage(
        scope=row.scope, limit_micros=row.limit_micros, committed_micros=row.committed_micros
    )
