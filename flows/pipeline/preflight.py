"""Preflight: before money is spent, compare our numbers with the provider's.

A provider that charges more than was quoted stops the run, with both numbers. One that does not
answer these questions is a notice: they are not documented well enough to insist.
"""

from __future__ import annotations

import asyncio
import contextlib

from catalog import settlement
from catalog.errors import AccountStopped, ProviderUnreadable
from catalog.money import show
from catalog.planning import Plan
from catalog.settlement import Drift
from tasks.publish import Addresses, CannotAddress
from tasks.runtime.services import Services
from tasks.runtime.stats import Issue, RunStats


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
