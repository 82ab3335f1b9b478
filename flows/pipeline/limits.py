"""Limits that are nearly used: told when it happens, and in the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from catalog.budget_limits import BudgetUsage
from catalog.money import dollars, show
from flows.pipeline.plan import usages_in_force
from flows.pipeline.runner import RunContext
from tasks.foundation.events import logger

_RUN = "run"


@dataclass(kw_only=True, slots=True)
class LimitWatch:
    """Watches the budgets that one run spends from: its own, the day's and the month's."""

    context: RunContext
    _told: set[str] = field(default_factory=set)

    async def look(self) -> None:
        """Log, once for each, which limits are nearly used."""
        for one in await self._nearly_used():
            if one.scope not in self._told:
                self._told.add(one.scope)
                logger.warning(
                    "budget.nearly_used",
                    scope=one.scope.partition(":")[0],
                    committed_usd=dollars(one.committed_micros),
                    limit_usd=dollars(one.limit_micros or 0),
                )

    async def report(self) -> None:
        """Put into the run's report which limits are nearly used as it ends."""
        self.context.stats.notices.extend(notice_of(one) for one in await self._nearly_used())

    async def _nearly_used(self) -> Sequence[BudgetUsage]:
        services = self.context.services
        if services.provider.offline:
            return ()
        usages = await services.read(
            usages_in_force,
            services.clock(),
            run_id=self.context.budget_run_id,
            zone=services.zone,
        )
        return [one for one in usages if one.is_nearly_used]


def notice_of(usage: BudgetUsage) -> str:
    """Say how much of a limit is committed.

    >>> notice_of(BudgetUsage(scope="day:2026", limit_micros=250_000, committed_micros=210_000))
    "84 % of the day's limit is committed: $0.21 of $0.25."
    """
    limit = usage.limit_micros or 1
    kind = usage.scope.partition(":")[0]
    whose = "this run's" if kind == _RUN else f"the {kind}'s"
    return (
        f"{100 * usage.committed_micros // limit} % of {whose} limit is committed: "
        f"{show(usage.committed_micros)} of {show(limit)}."
    )
