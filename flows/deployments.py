"""The flows: what deployments run.

Thin: they read the worker's settings, open the services, and let the same code run that `reelcat`
runs. Prefect schedules, watches and shows; what is true is in the catalog.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import partial
from types import FrameType
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import deployment, flow_run
from prefect.states import Cancelled, Completed, Failed

from catalog.budget_limits import BudgetUsage
from catalog.errors import ReelcatError
from catalog.values import RunStatus
from flows.pings import with_pings
from flows.pipeline.plan import usages_in_force
from flows.pipeline.reconcile import reconcile
from flows.pipeline.report import RunReport
from flows.pipeline.request import (
    Pace,
    Questions,
    RunRequest,
    Sharing,
    Spending,
    Videos,
    with_sources,
)
from flows.pipeline.run import run
from flows.pipeline.runner import LocalRunner, RunContext
from flows.pipeline.workers import HasEnded, others_to_call, shared_request
from flows.prefect_support.artifacts import Board, sentence_of, sentence_of_error, shown
from flows.prefect_support.secrets import with_key
from flows.prefect_support.stale_runs import mark_stale_runs_crashed
from flows.prefect_support.tasks import PrefectRunner
from flows.settings import Settings, read_settings
from flows.wiring import open_services
from tasks.runtime.stats import RunStats

SignalHandler = Callable[[int, FrameType | None], Any] | int | None
Begin = Callable[[RunRequest, RunContext], Awaitable[RunReport]]


@dataclass(kw_only=True, slots=True)
class LocalRun:
    """A process that has opened everything already, as `reelcat` has, and waits for the outcome.

    Prefect's server may be gone by then, so the outcome does not take the way through its states.
    """

    context: RunContext
    #: Its handler of SIGTERM, which stops in good order; Prefect's own ends at once.
    on_sigterm: SignalHandler
    #: None until the run has ended, and for ever if it ended with a bug.
    outcome: RunReport | ReelcatError | None = None
    #: Set when the work has ended, which Prefect has still to be told of.
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def end_with(self, outcome: RunReport | ReelcatError) -> None:
        """Keep the first outcome."""
        self.outcome = self.outcome or outcome
        self.ended.set()


#: Set around a call of a flow; such things cannot be parameters, which Prefect writes down.
local_run: ContextVar[LocalRun | None] = ContextVar("local_run", default=None)


def name_for_people() -> str:
    """Name a flow run by its deployment and the day it was due, as `nightly 2026-11-30`."""
    day = flow_run.scheduled_start_time
    with contextlib.suppress(ReelcatError):
        day = day.astimezone(read_settings().zone)
    return f"{deployment.name or flow_run.flow_name} {day:%Y-%m-%d}"


_ANY_VIDEOS = Videos()
_USUAL_QUESTIONS = Questions()
_USUAL_SPENDING = Spending()
_USUAL_PACE = Pace()


@flow(name="catalog-videos", flow_run_name=name_for_people, persist_result=False)
async def catalog_videos(
    videos: Videos = _ANY_VIDEOS,
    questions: Questions = _USUAL_QUESTIONS,
    spending: Spending = _USUAL_SPENDING,
    pace: Pace = _USUAL_PACE,
) -> State[None]:
    """Find, measure and describe videos within a budget.

    What was described before is not paid again, so it may be started at any time, and again after
    anything that went wrong.

    Args:
        videos: Which videos, and which of them first.
        questions: What is asked about each of them.
        spending: What it may cost.
        pace: How fast.
    """
    # The work, in its order. Each step is a task of its own (`flows.prefect_support.tasks`), to be
    # filtered, timed and limited by its name and tag:
    #
    #   collect   what earlier runs left at the provider, during all that follows
    #   discover  what each source holds
    #   probe     what is new or changed, 500 files at once
    #   predict   what is left and within every budget, 200 analyses at once
    #   settle    with the provider's bill
    #
    # A task run is such a batch and never a video: a task run costs Prefect's server more than a
    # prediction costs us, and 200,000 of them are no page that anybody reads. What of a batch is
    # done is in the catalog, video by video, so a batch that is cut short loses nothing.
    asked = RunRequest(videos=videos, questions=questions, spending=spending, pace=pace)

    def request(settings: Settings) -> RunRequest:
        return with_sources(asked, settings.sources)

    return await _conducted("catalog-videos", run, request, pings=True)


@flow(name="reconcile-account", flow_run_name=name_for_people, persist_result=False)
async def reconcile_account() -> State[None]:
    """Collect what earlier runs left out, and compare with the provider's bill. Buys nothing.

    Answers are kept by the provider for seven days; this fetches them before they are gone.
    """
    # Two steps of a run alone: collect, then settle.
    return await _conducted("reconcile-account", reconcile, lambda _: RunRequest())


@flow(name="join-run", flow_run_name="join {sharing.run_id}", persist_result=False)
async def join_run(sharing: Sharing) -> State[None]:
    """Share a run that was started elsewhere: its work, its budget and its end.

    Runs of `catalog-videos` with several workers start this by themselves; by hand it adds a worker
    to a run that goes on.

    Args:
        sharing: Which run, and what of it.
    """

    # The steps of `catalog_videos`, on what no other worker of the run has begun.
    def request(settings: Settings) -> RunRequest:
        return shared_request(settings, sharing.run_id, sources=sharing.sources)

    return await _conducted("join-run", run, request, shares=sharing.run_id)


async def _conducted(
    name: str,
    begin: Begin,
    request_for: Callable[[Settings], RunRequest],
    *,
    shares: str | None = None,
    pings: bool = False,
) -> State[None]:
    """Run one operation before Prefect's eyes, and give the state that it ends in.

    `pings`: tell REELCAT_PING_URL of it, unless the caller does.
    """
    caller = local_run.get()
    work = partial(_shown_run, name, begin, request_for, caller, shares)
    try:
        if pings and caller is None:
            report = await with_pings(read_settings(), work)
        else:
            report = await work()
    except HasEnded as error:
        return Completed(message=str(error))
    except ReelcatError as error:
        if caller is not None:
            caller.end_with(error)
        return Failed(message=sentence_of_error(error))
    return state_of(report)


async def _shown_run(
    name: str,
    begin: Begin,
    request_for: Callable[[Settings], RunRequest],
    caller: LocalRun | None,
    shares: str | None,
) -> RunReport:
    """Run it, with its progress and its report on Prefect's page."""
    async with _opened(request_for, caller, shares) as (request, context):
        board = Board(name=name, stats=context.stats, usages=partial(_usages, context))
        async with shown(board):
            with _signals_of(caller):
                report = await begin(request, context)
            board.report = report
            if caller is not None:
                caller.end_with(report)
        await mark_stale_runs_crashed(context.services)
    return report


def state_of(report: RunReport) -> State[None]:
    """Give the state of a flow run.

    A video that cannot be described is no failed night: only what a person has to mend fails.
    """
    sentence = sentence_of(report)
    match report.status:
        case RunStatus.ACCOUNT_STOPPED:
            return Failed(message=sentence)
        case RunStatus.INTERRUPTED:
            return Cancelled(message=sentence)
        case _:
            return Completed(message=sentence)


@asynccontextmanager
async def _opened(
    request_for: Callable[[Settings], RunRequest], caller: LocalRun | None, shares: str | None
) -> AsyncIterator[tuple[RunRequest, RunContext]]:
    """Take what the caller has opened, or open it, and let Prefect see the batches."""
    if caller is not None:
        request = request_for(caller.context.settings)
        yield request, _shown_to_prefect(caller.context, request)
        return
    settings = await with_key(read_settings())
    request = request_for(settings)
    async with open_services(settings, request) as services:
        stats = RunStats()
        stats.notices.extend(settings.unread)
        context = RunContext(
            settings=settings, services=services, runner=LocalRunner(), stats=stats, shares=shares
        )
        yield request, _shown_to_prefect(context, request)


def _shown_to_prefect(context: RunContext, request: RunRequest) -> RunContext:
    others = 0 if context.shares else others_to_call(request)
    runner = PrefectRunner(context.runner, others=others)
    return replace(context, runner=runner, flow_run_id=flow_run.id)


@contextmanager
def _signals_of(caller: LocalRun | None) -> Iterator[None]:
    """Leave SIGTERM to the caller, where there is one."""
    if caller is None:
        yield
        return
    of_prefect = signal.signal(signal.SIGTERM, caller.on_sigterm)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, of_prefect)


async def _usages(context: RunContext, run_id: str | None) -> tuple[BudgetUsage, ...]:
    """Give how the budgets in force stand; that of the run too, where it is known."""
    return await context.services.read(
        usages_in_force,
        context.services.clock(),
        run_id=context.shares or run_id,
        zone=context.services.zone,
    )
