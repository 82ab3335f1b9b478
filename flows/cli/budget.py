"""`reelcat budget`: what may be spent in a day and in a month."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from flows.cli.flags import Json

if TYPE_CHECKING:
    from catalog.budget_limits import BudgetUsage


def budget(*, day: str | None = None, month: str | None = None, json: Json = False) -> int:
    """Set what may be spent in a day and in a month, and show what is committed.

    A limit holds for today (or this month) at once and for every one that follows, over all runs
    and workers, also those that are under way: a lower one stops them before they send anything
    more that it does not cover. Days begin at midnight in REELCAT_TIMEZONE.

    Example:
        reelcat budget
        reelcat budget --day 25 --month 300
        reelcat budget --day none

    Args:
        day: Dollars a day, or `none` for no limit. Left as it is if not given.
        month: Dollars a month, or `none` for no limit. Left as it is if not given.
        json: Print one JSON object: budgets [{scope, limit_usd, committed_usd}].
    """
    from catalog.status import budgets_as_json, budgets_now
    from catalog.values import utc_now
    from flows.cli.reading import open_to_read
    from flows.cli.text import budget_lines, complain, facts, output, write_json

    limits = _limits(day=day, month=month)
    if limits:
        for sentence in _set(limits):
            complain(sentence)
    with open_to_read() as reading:
        usages = budgets_now(reading.connection, now=utc_now(), zone=reading.zone)
    if json:
        write_json({"budgets": budgets_as_json(usages)})
    else:
        output().print(facts(dict(budget_lines(usages))))
    return 0


def _limits(*, day: str | None, month: str | None) -> dict[str, int | None]:
    """Read the limits that are to be set, in micro-dollars, None for none."""
    from catalog.budget_limits import DAY, MONTH
    from catalog.money import parse_dollars

    asked = {DAY: day, MONTH: month}
    return {
        scope: None if text == "none" else parse_dollars(text, setting=f"--{scope}")
        for scope, text in asked.items()
        if text is not None
    }


def _set(limits: dict[str, int | None]) -> list[str]:
    """Set standing limits, and with them those of this day and month.

    Gives a sentence for each that is below what is committed already.
    """
    from catalog import budgets
    from catalog.budget_limits import DAY, scopes_at
    from catalog.schema import open_catalog
    from catalog.values import utc_now
    from flows.settings import read_settings

    settings = read_settings()
    current = scopes_at(utc_now(), run_id="", zone=settings.zone)
    catalog = open_catalog(settings.database_url)
    usages = []
    try:
        for scope, micros in limits.items():
            change = partial(
                budgets.set_standing_limit,
                standing_scope=scope,
                current=current.day if scope == DAY else current.month,
                limit_micros=micros,
            )
            usages += catalog.write(change)
    finally:
        catalog.close()
    return [_below(one) for one in usages if _is_below(one)]


def _is_below(usage: BudgetUsage) -> bool:
    limit = usage.limit_micros
    return limit is not None and limit < usage.committed_micros


def _below(usage: BudgetUsage) -> str:
    from catalog.money import show

    kind = usage.scope.partition(":")[0]
    return (
        f"{show(usage.committed_micros)} of this {kind} are committed already, more than "
        f"{show(usage.limit_micros or 0)}: what was not sent yet is given back, nothing beyond "
        f"the limit is bought until the next {kind}, and what is out is still paid."
    )
