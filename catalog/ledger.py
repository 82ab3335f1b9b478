"""The ledger: every change of committed money, written once and never again.

An entry and the budgets it counts under change in the same transaction, so the sum of the entries
of a scope is what the scope has committed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from catalog import budgets
from catalog import totals as sums
from catalog.models import Budget, LedgerEntry, Prediction
from catalog.totals import Totals
from catalog.values import LedgerKind


def scopes_of(prediction: Prediction | Row[Any]) -> tuple[str, str, str]:
    """Give the budgets that a prediction counts under; a row of those columns will do."""
    return (f"run:{prediction.run_id}", prediction.budget_day, prediction.budget_month)


def book(
    session: Session, prediction: Prediction, kind: LedgerKind, micros: int, *, now: datetime
) -> None:
    """Write one entry of `micros` (signed) and commit it under the prediction's budgets."""
    session.add(
        LedgerEntry(
            prediction_id=prediction.id,
            kind=kind,
            amount_micros=micros,
            at=now,
            price_list=prediction.price_list,
        )
    )
    budgets.commit(session, scopes_of(prediction), micros)


def release(session: Session, prediction: Prediction, *, now: datetime) -> None:
    """Give the whole hold back."""
    book(session, prediction, LedgerKind.RELEASE, -prediction.quoted_micros, now=now)


def last_charged(session: Session, endpoint: str, *, since: datetime) -> str | None:
    """Give the provider's id of the last prediction whose charge a bill has shown since then."""
    return session.scalar(
        select(Prediction.provider_id)
        .where(
            Prediction.endpoint == endpoint,
            Prediction.settled_at >= since,
            Prediction.charged_micros > 0,
        )
        .order_by(Prediction.settled_at.desc(), Prediction.id.desc())
        .limit(1)
    )


def totals(session: Session, *, run_id: str | None = None) -> Totals:
    """Sum the ledger as it is in this transaction; see `catalog.totals`."""
    session.flush()
    return sums.totals(session.connection(), run_id=run_id)


def disagreements(session: Session) -> list[str]:
    """Name every budget whose committed money is not the sum of its ledger entries."""
    sums = _sums_by_scope(session)
    committed = {row.scope: row.committed_micros for row in session.scalars(select(Budget))}
    return [
        f"{scope}: committed {committed.get(scope)}, ledger {sums.get(scope, 0)} micro-dollars"
        for scope in sorted(committed.keys() | sums.keys())
        if committed.get(scope) != sums.get(scope, 0)
    ]


def _sums_by_scope(session: Session) -> dict[str, int]:
    sums: dict[str, int] = {}
    for scope in (Prediction.run_id, Prediction.budget_day, Prediction.budget_month):
        rows = session.execute(
            select(scope, func.sum(LedgerEntry.amount_micros)).join(Prediction).group_by(scope)
        )
        for name, summed in rows:
            sums[f"run:{name}" if scope is Prediction.run_id else name] = int(summed)
    return sums
