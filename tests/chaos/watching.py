"""Watches the cap from outside while processes spend: every limit, at many instants."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

#: A bill may be higher than the quote; that is drift, shown and stopped at, and no hold of ours.
_BILLED_MORE = (
    "SELECT COALESCE(SUM(charged_micros - quoted_micros), 0) FROM predictions "
    "WHERE settled_at IS NOT NULL AND charged_micros > quoted_micros"
)


@dataclass(kw_only=True)
class Watch:
    """Looks at one catalog's budgets through a connection of its own."""

    path: Path
    looks: int = 0
    over: list[str] = field(default_factory=list)
    _connection: sqlite3.Connection | None = None

    def look(self) -> None:
        """Note every scope that has more committed than its limit at this instant."""
        if self._connection is None:
            self._connection = sqlite3.connect(self.path, isolation_level=None, timeout=30)
        self.looks += 1
        ask = self._connection.execute
        ask("PRAGMA query_only = ON")
        ask("BEGIN")
        budgets = ask(
            "SELECT scope, limit_micros, committed_micros FROM budgets "
            "WHERE limit_micros IS NOT NULL"
        ).fetchall()
        (allowance,) = ask(_BILLED_MORE).fetchone()
        ask("COMMIT")
        self.over += [
            f"{scope}: {committed} committed of {limit}"
            for scope, limit, committed in budgets
            if committed - allowance > limit
        ]

    def cap(self) -> int | None:
        """Give what all limits together have allowed so far, in micro-dollars; None for no end."""
        if self._connection is None:
            self.look()
        ask = self._connection.execute
        caps = []
        for kind in ("day:%", "run:%"):
            limits = ask("SELECT limit_micros FROM budgets WHERE scope LIKE ?", (kind,)).fetchall()
            if limits and all(limit is not None for (limit,) in limits):
                caps.append(sum(limit for (limit,) in limits))
        return min(caps) if caps else None

    def look_away(self) -> None:
        """Close the connection, so that no child that is forked now shares it."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
