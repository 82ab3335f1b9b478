"""Watches the cap from outside while processes spend: every limit, at many instants."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session

from catalog import budgets

#: A bill may be higher than the quote; that is drift, shown and stopped at, and no hold of ours.
_BILLED_MORE = (
    "SELECT COALESCE(SUM(charged_micros - quoted_micros), 0) FROM predictions "
    "WHERE settled_at IS NOT NULL AND charged_micros > quoted_micros"
)
_BUDGETS = "SELECT scope, limit_micros, committed_micros FROM budgets"
_UNSENT = """
SELECT COALESCE(SUM(quoted_micros), 0) FROM predictions
 WHERE status = 'held' AND :scope IN ('run:' || run_id, budget_day, budget_month)
"""
_CURRENT = {
    "day": "SELECT scope FROM budgets WHERE scope LIKE 'day:%'",
    "month": "SELECT scope FROM budgets WHERE scope LIKE 'month:%'",
    "run": "SELECT b.scope FROM budgets b JOIN runs r ON b.scope = 'run:' || r.id "
    "WHERE r.finished_at IS NULL AND b.limit_micros IS NOT NULL",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Spent:
    """What a scope had committed when its limit was lowered."""

    committed: int
    #: The part of it that was on its way already, or had been accepted.
    sent: int


def limits_of(catalog: Path, kind: str) -> list[str]:
    """Name the scopes whose limits stand for a day, a month, or the runs that are under way."""
    with closing(sqlite3.connect(catalog, timeout=30)) as connection:
        scopes = [scope for (scope,) in connection.execute(_CURRENT[kind])]
    return scopes if kind == "run" else [kind, *scopes]


def lower_limits(session: Session, *, scopes: Sequence[str], limit_micros: int) -> dict[str, Spent]:
    """Lower limits, and say in the same transaction what each scope had spent."""
    spent = {}
    for one in budgets.set_limit(session, list(scopes), limit_micros):
        unsent = session.execute(text(_UNSENT), {"scope": one.scope}).scalar_one()
        committed = one.committed_micros
        spent[one.scope] = Spent(committed=committed, sent=committed - unsent)
    return spent


@dataclass(kw_only=True)
class Watch:
    """Looks at one catalog's budgets through a connection of its own."""

    path: Path
    looks: int = 0
    over: list[str] = field(default_factory=list)
    #: By scope, where a limit was lowered below it.
    spent: dict[str, Spent] = field(default_factory=dict)
    #: Limits of a catalog that was replaced, by scope.
    gone: dict[str, int | None] = field(default_factory=dict)
    #: What that catalog knew of and its older copy did not; whoever takes it over may be over.
    forgotten: int = 0
    _connection: sqlite3.Connection | None = None

    def look(self) -> None:
        """Note every scope that has more committed than its limit at this instant."""
        if self._connection is None:
            self._connection = sqlite3.connect(self.path, isolation_level=None, timeout=30)
        self.looks += 1
        ask = self._connection.execute
        ask("PRAGMA query_only = ON")
        ask("BEGIN")
        rows = ask(f"{_BUDGETS} WHERE limit_micros IS NOT NULL").fetchall()
        (allowance,) = ask(_BILLED_MORE).fetchone()
        ask("COMMIT")
        allowance += self.forgotten
        self.over += [
            f"{scope}: {committed} committed of {limit}"
            for scope, limit, committed in rows
            if committed - allowance > max(limit, self._spent(scope).committed)
        ]

    def cap(self) -> int | None:
        """Give what all limits together have allowed so far, in micro-dollars; None for no end."""
        if self._connection is None:
            self.look()
        limits = {scope: limit for scope, limit, _ in self._connection.execute(_BUDGETS)}
        for scope, limit in self.gone.items():
            now = limits.get(scope, 0)
            limits[scope] = None if limit is None or now is None else max(limit, now)
        caps = []
        for kind in ("day:", "month:", "run:"):
            ours = {scope: limit for scope, limit in limits.items() if scope.startswith(kind)}
            if ours and None not in ours.values():
                caps.append(sum(max(ours[scope], self._spent(scope).sent) for scope in ours))
        return min(caps) if caps else None

    def replaced(self, backup: Path) -> None:
        """Note what is forgotten when an older copy takes the catalog's place."""
        self.look_away()
        with closing(sqlite3.connect(self.path)) as now, closing(sqlite3.connect(backup)) as then:
            self.gone |= {scope: limit for scope, limit, _ in now.execute(_BUDGETS)}
            known = "SELECT COALESCE(SUM(amount_micros), 0) FROM ledger_entries"
            self.forgotten += now.execute(known).fetchone()[0] - then.execute(known).fetchone()[0]
            self.forgotten = max(self.forgotten, 0)

    def _spent(self, scope: str) -> Spent:
        return self.spent.get(scope, Spent(committed=0, sent=0))

    def look_away(self) -> None:
        """Close the connection, so that no child that is forked now shares it."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
