"""Plans: what is left in the sources, within every budget in force, and the checks before a run.

The checks compare our numbers with the provider's: its price of one video, its bill, its balance
and its clock.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Container, Sequence
from dataclasses import dataclass
from functools import partial
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from catalog import analyses, budgets, settlement
from catalog.analyses import AnalysisSpec
from catalog.budget_limits import DAY, MONTH, BudgetUsage, free_in_all, scopes_at
from catalog.errors import AccountStopped, ProviderUnreadable, UsageError
from catalog.locations import SourceRange
from catalog.money import show
from catalog.planning import Plan, Terms, make_plan
from catalog.pricing import MOLMO2_PRICES
from catalog.settlement import Drift
from flows.pipeline.request import RunOptions
from tasks.publish import Addresses, CannotAddress
from tasks.runtime.services import Services
from tasks.runtime.stats import Issue, RunStats
from tasks.storage.filters import Filter, Selection


@dataclass(frozen=True, kw_only=True, slots=True)
class Planner:
    """Makes plans for one run, as often as it asks what is left."""

    services: Services
    run_id: str
    options: RunOptions
    spec: AnalysisSpec
    selection: Selection
    zone: ZoneInfo

    async def plan(
        self, scopes: Sequence[SourceRange], *, collected: Container[int] = frozenset()
    ) -> Plan:
        """Say what is to be done now, by a run that has collected some analyses itself."""
        if not scopes:
            return Plan()
        await self.services.writer.apply(partial(analyses.want, scopes=scopes, spec=self.spec))
        return await asyncio.to_thread(self._plan, scopes, collected)

    def _plan(self, scopes: Sequence[SourceRange], collected: Container[int]) -> Plan:
        with self.services.catalog.read() as session:
            free = free_in_all(self._usages(session))
            terms = Terms(
                prices=self.services.provider.prices,
                free_micros=free,
                most_videos=self.options.limit,
                retry_failed=self.options.retry_failed,
                accepts=self.selection.holds,
                compare_with=MOLMO2_PRICES if self.services.provider.offline else None,
                collected=collected,
            )
            stream = analyses.stream(session, scopes, self.spec, self.options.order)
            return make_plan(stream, terms)

    def _usages(self, session: Session) -> list[BudgetUsage]:
        scopes = scopes_at(self.services.clock(), run_id=self.run_id, zone=self.zone)
        usage = budgets.usages(session, [scopes.run])
        return [
            *usage,
            budgets.in_force(session, scopes.day, DAY),
            budgets.in_force(session, scopes.month, MONTH),
        ]


def new_planner(options: RunOptions, services: Services, *, run_id: str, zone: ZoneInfo) -> Planner:
    """Put a planner together for one run."""
    return Planner(
        services=services,
        run_id=run_id,
        options=options,
        spec=AnalysisSpec(
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
            usage.limit_micros is not None for usage in budgets.usages(session, [DAY, MONTH])
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


async def learn_time(services: Services) -> None:
    """Ask something that costs nothing, so that the provider tells its time."""
    if services.provider.offline:
        return
    # Whatever is wrong is said by the first question whose answer is needed.
    with contextlib.suppress(ProviderUnreadable, AccountStopped):
        await services.provider.client.balance()


async def check_account(plan: Plan, services: Services, stats: RunStats) -> None:
    """Check, for a plan that would spend something, whether the account is fit to.

    Raises:
        ProviderUnreadable: if the provider cannot be reached.
        AccountStopped: if the key is refused, the balance buys nothing, or earlier bills were
            higher than quoted and nobody has looked.
    """
    if not plan.planned_micros:
        return
    await check_drift(services)
    await _check_balance(plan, services, stats)


async def check_drift(services: Services) -> None:
    """Stop where the bill was higher than quoted, or cannot be counted, until a person has looked.

    Raises:
        AccountStopped: with by how much, and what to do.
    """
    found = await unacknowledged_drift(services)
    if found.lines:
        which = "A line" if found.lines == 1 else f"{found.lines} lines"
        raise AccountStopped(
            f"{which} of the bill cannot be counted, so nothing more is bought; look with "
            "`reelcat status` and at the provider's site, then go on with `reelcat reconcile "
            f"--acknowledge-drift`. {found.reason}"
        )
    if found.micros > services.provider.drift_tolerance:
        raise AccountStopped(
            f"The bill for {found.predictions} predictions is {show(found.micros)} higher than "
            "was quoted, so nothing more is bought; look at them with `reelcat status`, then go on "
            "with `reelcat reconcile --acknowledge-drift`."
        )


async def unacknowledged_drift(services: Services) -> Drift:
    """Give by how much the bill is higher than quoted, as far as nobody took note."""
    return await asyncio.to_thread(_read_drift, services)


def _read_drift(services: Services) -> Drift:
    with services.catalog.read() as session:
        return settlement.unseen(session, services.provider.endpoint)


async def name_drift(services: Services, stats: RunStats) -> None:
    """Make a bill that is higher than was quoted, and not acknowledged, a failure of the run."""
    try:
        await check_drift(services)
    except AccountStopped as error:
        endpoint = services.provider.endpoint
        stats.failures.append(Issue(what=endpoint, reason=str(error), kind="drift"))


async def _check_balance(plan: Plan, services: Services, stats: RunStats) -> None:
    balance = await services.provider.client.balance()
    if balance is None:
        stats.notices.append("The provider does not tell the account's balance.")
        return
    cheapest = min(job.quote_micros for job in plan.jobs)
    if balance < cheapest:
        raise AccountStopped(
            f"The account holds {show(balance)}, the cheapest analysis costs {show(cheapest)}; "
            "top it up, then run again."
        )
    if balance < plan.planned_micros:
        stats.notices.append(
            f"The account holds {show(balance)}, less than the {show(plan.planned_micros)} that "
            "is planned; the run stops when it is used up."
        )


async def check_price(
    plan: Plan, addresses: Addresses, services: Services, stats: RunStats
) -> bool:
    """Compare our quote for one video with the provider's own; it may be uploaded for that.

    False if the provider did not say what it would charge.

    Raises:
        AccountStopped: if the provider would charge more than was quoted.
    """
    if not plan.planned_micros:
        return True
    job = plan.jobs[0]
    try:
        url = await addresses.of(job, services.new_token())
    except CannotAddress:
        return False  # the run itself says what is wrong with this video
    try:
        quote = await services.provider.client.quote(
            model=services.provider.prices.model,
            inputs={"video": url, "task": job.left.task.value},
        )
    except ProviderUnreadable:
        quote = None
    if quote is None:
        stats.notices.append("The provider does not quote a price of its own.")
        return False
    if quote.price_micros > job.quote_micros:
        raise AccountStopped(
            f"The provider would charge {show(quote.price_micros)} for {job.left.name}, reelcat "
            f"quoted {show(job.quote_micros)}; nothing was bought. Upgrade reelcat, whose price "
            f"list is {services.provider.prices.version}."
        )
    return True
