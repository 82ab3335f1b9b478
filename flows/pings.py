"""Which runs tell a dead-man's switch of themselves, and what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from catalog.values import RunStatus
from flows.logs import logging_to
from flows.pipeline.report import RunReport
from flows.settings import Settings
from tasks.network.ping import Ping, ping

#: Failures that leave more undone than one video: a source, the provider, the bill.
_GRAVE = frozenset({"source", "provider", "drift"})
_ENDED_WELL = frozenset(
    {RunStatus.COMPLETED, RunStatus.COMPLETED_WITH_FAILURES, RunStatus.BUDGET_REACHED}
)


def ping_of(report: RunReport) -> Ping:
    """Say whether a run was what a night should be.

    A video that cannot be described is no failed night: only what a person has to mend is.
    """
    grave = any(one.kind in _GRAVE for one in report.stats.failures)
    return Ping.SUCCESS if report.status in _ENDED_WELL and not grave else Ping.FAILURE


async def with_pings(settings: Settings, work: Callable[[], Awaitable[RunReport]]) -> RunReport:
    """Do it, and tell REELCAT_PING_URL of its start and its end, where that is set.

    Raises:
        Exception: whatever the work raises, after the failure was told.
    """
    address = settings.ping_url
    if address is None:
        return await work()
    with logging_to(settings):
        await ping(address, Ping.START)
        try:
            report = await work()
        except Exception:
            await ping(address, Ping.FAILURE)
            raise
        await ping(address, ping_of(report))
    return report
