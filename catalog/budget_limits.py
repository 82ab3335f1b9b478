"""What fits: which analyses a limit reaches, and under which scopes money is counted.

`plan` shows what `allocate` says and `run` spends what it says, so what was shown is what is
spent. Everything here is a pure function of its arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

#: Standing limits: what a new day or month starts with.
DAY = "day"
MONTH = "month"

#: Percent of a limit from which on it is worth saying how little is left.
_NEARLY = 80


@dataclass(frozen=True, kw_only=True, slots=True)
class Scopes:
    """The budgets that one hold counts against."""

    run: str
    day: str
    month: str

    def __iter__(self) -> Iterator[str]:
        return iter((self.run, self.day, self.month))


def scopes_at(now: datetime, *, run_id: str, zone: ZoneInfo) -> Scopes:
    """Name the budgets in force at `now`; days and months begin at midnight in `zone`."""
    local = now.astimezone(zone)
    return Scopes(
        run=f"run:{run_id}",
        day=f"{DAY}:{local:%Y-%m-%d}",
        month=f"{MONTH}:{local:%Y-%m}",
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class BudgetUsage:
    """One budget as it stands. A limit of None limits nothing but is counted all the same."""

    scope: str
    limit_micros: int | None
    committed_micros: int

    @property
    def free_micros(self) -> int | None:
        """What may still be held; None without a limit, never negative."""
        if self.limit_micros is None:
            return None
        return max(0, self.limit_micros - self.committed_micros)

    @property
    def excess_micros(self) -> int:
        """By how much more is committed than the limit allows; it was lowered meanwhile."""
        if self.limit_micros is None:
            return 0
        return max(0, self.committed_micros - self.limit_micros)

    @property
    def is_nearly_used(self) -> bool:
        """Whether four fifths of the limit are committed; False without a limit.

        >>> [BudgetUsage(scope="day", limit_micros=100, committed_micros=n).is_nearly_used
        ...  for n in (0, 79, 80, 101)]
        [False, False, True, True]
        """
        limit, committed = self.limit_micros, self.committed_micros
        return limit is not None and committed > 0 and 100 * committed >= _NEARLY * limit


def free_in_all(usages: Iterable[BudgetUsage]) -> int | None:
    """Give what may still be held under every one of `standings`; None if none limits."""
    free = [s.free_micros for s in usages if s.free_micros is not None]
    return min(free) if free else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Allocation:
    """Which quotes fit. `taken` and `left` hold positions in what was given."""

    taken: tuple[int, ...]
    left: tuple[int, ...]
    total_micros: int


def allocate(quotes: Iterable[int], free_micros: int | None) -> Allocation:
    """Take quotes in order while they fit; one that no longer fits is passed over.

    Passing over lets a nearly used-up budget still buy short videos; the order otherwise stands.

    >>> allocate([50, 120, 30], 100)
    Allocation(taken=(0, 2), left=(1,), total_micros=80)
    >>> allocate([50, 120], None).taken
    (0, 1)
    """
    taken: list[int] = []
    left: list[int] = []
    total = 0
    for position, quote in enumerate(quotes):
        if free_micros is not None and total + quote > free_micros:
            left.append(position)
        else:
            taken.append(position)
            total += quote
    return Allocation(taken=tuple(taken), left=tuple(left), total_micros=total)
