"""Plans: what is left in the sources, within every budget in force, and the checks before a run.

The checks compare our numbers with the provider's: its price of one video, its bill, its balance
and its clock.
"""

from __future__ import annotations

import contextlib
from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import datetime
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
from flows.pipeline.request import RunRequest
from flows.pipeline.runner import RunContext
from tasks.publish import Addresses, CannotAddress
from tasks.runtime.services import Services
from tasks.runtime.stats import Issue, RunStats
from tasks.storage.filters import Filter, Selection


@dataclass(frozen=True, kw_only=True, slots=True)
class Planner:
    """Makes plans for one run, as often as it asks what is left."""

    context: RunContext
    request: RunRequest
    spec: AnalysisSpec
    selection: Selection

    async def plan(
        self, scopes: Sequence[SourceRange], *, collected: Container[int] = frozenset()
    ) -> Plan:
        """Say what is to be done now, by a run that has collected some analyses itself."""
        if not scopes:
            return Plan()
        services = self.context.services
        await services.write(analyses.want, scopes=scopes, spec=self.spec)
        return await services.read(self._plan, scopes, collected)

    def _plan(
        self, session: Session, scopes: Sequence[SourceRange], collected: Container[int]
    ) -> Plan:
        services, videos = self.context.services, self.request.videos
        usages = usages_in_force(
            session, services.clock(), run_id=self.context.budget_run_id, zone=services.zone
        )
        terms = Terms(
            prices=services.provider.prices,
            free_micros=free_in_all(usages),
            most_videos=videos.limit,
            retry_failed=self.request.questions.retry_failed,
            accepts=self.selection.holds,
            compare_with=MOLMO2_PRICES if services.provider.offline else None,
            collected=collected,
        )
        stream = analyses.stream(session, scopes, self.spec, videos.order)
        return make_plan(stream, terms)


def usages_in_force(
    session: Session, now: datetime, *, run_id: str | None, zone: ZoneInfo
) -> tuple[BudgetUsage, ...]:
    """Give how the budgets of the day and the month stand, and of the run where it is known."""
    scopes = scopes_at(now, run_id=run_id or "", zone=zone)
    return (
        *budgets.usages(session, [scopes.run]),
        budgets.in_force(session, scopes.day, DAY),
        budgets.in_force(session, scopes.month, MONTH),
    )


def new_planner(request: RunRequest, context: RunContext) -> Planner:
    """Put a planner together for one run."""
    questions, videos = request.questions, request.videos
    return Planner(
        context=context,
        request=request,
        spec=AnalysisSpec(
            model=context.services.provider.prices.model,
            tasks=questions.tasks,
            instructions=questions.instructions,
        ),
        selection=Selection(names=Filter(include=videos.include, exclude=videos.exclude)),
    )


async def require_budget(request: RunRequest, services: Services) -> None:
    """See to it that a paid run has a limit.

    Raises:
        UsageError: if it has none of its own, and no day or month has one.
    """
    if services.provider.offline or request.budget_micros is not None:
        return
    standing = await services.read(budgets.usages, [DAY, MONTH])
    if all(usage.limit_micros is None for usage in standing):
        raise UsageError(
            "A paid run needs a limit; give --budget 25 for this run, or set one for every day "
            "with `reelcat budget --day 25`."
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


async def check_account(plan: Plan, context: RunContext) -> None:
    """Check, for a plan that would spend something, whether the account is fit to.

    Raises:
        ProviderUnreadable: if the provider cannot be reached.
        AccountStopped: if the key is refused, the balance buys nothing, or earlier bills were
            higher than quoted and nobody has looked.
    """
    if not plan.planned_micros:
        return
    await check_drift(context.services)
    await _check_balance(plan, context)


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
    return await services.read(settlement.unseen, services.provider.endpoint)


async def name_drift(context: RunContext) -> None:
    """Make a bill that is higher than was quoted, and not acknowledged, a failure of the run."""
    try:
        await check_drift(context.services)
    except AccountStopped as error:
        endpoint = context.services.provider.endpoint
        context.stats.failures.append(Issue(what=endpoint, reason=str(error), kind="drift"))


async def _check_balance(plan: Plan, context: RunContext) -> None:
    stats = context.stats
    balance = await context.services.provider.client.balance()
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


async def check_price(plan: Plan, addresses: Addresses, context: RunContext) -> bool:
    """Compare our quote for one video with the provider's own; it may be uploaded for that.

    False if the provider did not say what it would charge.

    Raises:
        AccountStopped: if the provider would charge more than was quoted.
    """
    if not plan.planned_micros:
        return True
    services, job = context.services, plan.jobs[0]
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
        context.stats.notices.append("The provider does not quote a price of its own.")
        return False
    if quote.price_micros > job.quote_micros:
        raise AccountStopped(
            f"The provider would charge {show(quote.price_micros)} for {job.left.name}, reelcat "
            f"quoted {show(job.quote_micros)}; nothing was bought. Upgrade reelcat, whose price "
            f"list is {services.provider.prices.version}."
        )
    return True
