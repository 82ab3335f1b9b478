"""Plans: what is left in the sources, held against every budget in force."""

from __future__ import annotations

import asyncio
from collections.abc import Container, Sequence
from dataclasses import dataclass
from functools import partial
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from catalog import analyses, budgets
from catalog.analyses import AnalysisSpec
from catalog.budget_limits import DAY, MONTH, BudgetUsage, free_in_all, scopes_at
from catalog.errors import UsageError
from catalog.locations import SourceRange
from catalog.planning import Plan, Terms, make_plan
from catalog.pricing import MOLMO2_PRICES
from flows.pipeline.request import RunOptions
from tasks.runtime.services import Services
from tasks.runtime.stats import Issue, RunStats
from tasks.storage.filters import Filter, Selection


@dataclass(frozen=True, kw_only=True, slots=True)
class Planner:
    """Makes plans for one run, as often as it asks what is left."""

    services: Services
    run_id: str
    options: RunOptions
    wish: AnalysisSpec
    selection: Selection
    zone: ZoneInfo

    async def plan(
        self, scopes: Sequence[SourceRange], *, collected: Container[int] = frozenset()
    ) -> Plan:
        """Say what is to be done now, by a run that has collected some analyses itself."""
        if not scopes:
            return Plan()
        await self.services.writer.apply(partial(analyses.want, scopes=scopes, wish=self.wish))
        return await asyncio.to_thread(self._plan, scopes, collected)

    def _plan(self, scopes: Sequence[SourceRange], collected: Container[int]) -> Plan:
        with self.services.catalog.read() as session:
            free = free_in_all(self._standings(session))
            terms = Terms(
                prices=self.services.provider.prices,
                free_micros=free,
                most_videos=self.options.limit,
                retry_failed=self.options.retry_failed,
                accepts=self.selection.holds,
                compare_with=MOLMO2_PRICES if self.services.provider.offline else None,
                collected=collected,
            )
            stream = analyses.stream(session, scopes, self.wish, self.options.order)
            return make_plan(stream, terms)

    def _standings(self, session: Session) -> list[BudgetUsage]:
        scopes = scopes_at(self.services.clock(), run_id=self.run_id, zone=self.zone)
        standing = budgets.usages(session, [scopes.run])
        return [
            *standing,
            budgets.in_force(session, scopes.day, DAY),
            budgets.in_force(session, scopes.month, MONTH),
        ]


def new_planner(options: RunOptions, services: Services, *, run_id: str, zone: ZoneInfo) -> Planner:
    """Put a planner together for one run."""
    return Planner(
        services=services,
        run_id=run_id,
        options=options,
        wish=AnalysisSpec(
            model=services.provider.prices.model,
            tasks=options.tasks,
            instructions=options.instructions,
        ),
        selection=Selection(names=Filter(include=options.include, exclude=options.exclude)),
        zone=zone,
    )


async def require_budget(options: RunOptions, services: Services) -> None:
    """See to it that a paid run has a limit.

    Raises:
        UsageError: if it has none of its own, and no day or month has one.
    """
    if services.provider.offline or options.budget_micros is not None:
        return
    if not await asyncio.to_thread(_has_standing_limit, services):
        raise UsageError(
            "A paid run needs a limit; give --budget 25 for this run, or set one for every day "
            "with `reelcat budget --day 25`."
        )


def _has_standing_limit(services: Services) -> bool:
    with services.catalog.read() as session:
        return any(
            standing.limit_micros is not None for standing in budgets.usages(session, [DAY, MONTH])
        )


def count(plan: Plan, stats: RunStats) -> None:
    """Count a run's first plan, and name what cannot be quoted."""
    counts = stats.analyses
    counts.wanted = plan.wanted
    counts.done_before = plan.done_before
    counts.failed_before = plan.failed_before
    counts.in_flight_elsewhere = plan.in_flight_elsewhere
    counts.planned = len(plan.jobs)
    counts.unquotable = len(plan.unquotable)
    counts.over_budget = len(plan.over_budget)
    stats.money.quoted = plan.quoted_micros
    stats.money.planned = plan.planned_micros
    stats.money.instead = plan.compared_micros
    for uri in dict.fromkeys(left.uri for left in plan.unquotable):
        reason = "Its length is not known, so its price is not; it was not submitted."
        stats.failures.append(Issue(what=uri, reason=reason, kind="unquotable"))
    if plan.compared_unknown:
        stats.notices.append(
            f"{plan.compared_unknown} analyses are of videos of unknown length and have no price."
        )
    if plan.failed_before:
        stats.notices.append(
            f"{plan.failed_before} analyses failed earlier; --retry-failed tries them again."
        )
