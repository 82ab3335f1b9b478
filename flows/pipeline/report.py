"""What a run says when it is done: to people, to scripts, and by its exit code."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from catalog.money import dollars
from catalog.values import RunStatus
from tasks.runtime.stats import RunStats

_EXIT_CODES = {
    RunStatus.COMPLETED: 0,
    RunStatus.BUDGET_REACHED: 0,
    RunStatus.COMPLETED_WITH_FAILURES: 1,
    RunStatus.ACCOUNT_STOPPED: 3,
    RunStatus.INTERRUPTED: 130,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class RunReport:
    """One run, ended."""

    run_id: str
    status: RunStatus
    stats: RunStats
    #: Why the account stopped the run; None if it did not.
    stopped_by: str | None = None

    @property
    def exit_code(self) -> int:
        """0 done · 1 done with failures · 3 stopped by the account · 130 interrupted.

        A budget that was reached is done, but what failed on the way still counts.
        """
        if self.status is RunStatus.BUDGET_REACHED and self.stats.failures:
            return 1
        return _EXIT_CODES[self.status]

    def as_json(self) -> dict[str, Any]:
        """Give the report as plain data; money as decimal strings of dollars."""
        money = self.stats.money
        return {
            "run_id": self.run_id,
            "status": self.status.value,
            "videos": asdict(self.stats.videos),
            "analyses": asdict(self.stats.analyses),
            "money": {
                "quoted_usd": _usd(money.quoted),
                "planned_usd": _usd(money.planned),
                "budget_usd": None if money.budget is None else _usd(money.budget),
                "held_usd": _usd(money.held),
                "charged_usd": _usd(money.charged),
                "molmo2_usd": None if money.instead is None else _usd(money.instead),
            },
            "failures": [asdict(trouble) for trouble in self.stats.failures],
            "notices": list(self.stats.notices),
            "stopped_by": self.stopped_by,
        }


def _usd(micros: int) -> str:
    return str(dollars(micros))


def status_of(
    stats: RunStats, *, account_stopped: bool, interrupted: bool, budget_reached: bool
) -> RunStatus:
    """Name how a run ended; what needs a person most comes first."""
    if account_stopped:
        return RunStatus.ACCOUNT_STOPPED
    if interrupted:
        return RunStatus.INTERRUPTED
    if budget_reached:
        return RunStatus.BUDGET_REACHED
    return RunStatus.COMPLETED_WITH_FAILURES if stats.failures else RunStatus.COMPLETED
