"""The tasks that Prefect shows: one for each step of a run. A task run is a batch, never one video.

Other workers are called through Prefect, too: each call is a flow run of the deployment `join`, and
whichever worker is free takes it.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Generic, ParamSpec, TypeAlias, TypeVar

import httpx
from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.deployments import arun_deployment
from prefect.exceptions import ObjectNotFound, PrefectException
from prefect.logging import get_run_logger

from catalog.planning import Plan
from flows.pipeline.runner import Runner, Step
from tasks.foundation.redaction import redact
from tasks.runtime.stats import RunStats

T = TypeVar("T")
P = ParamSpec("P")
R = TypeVar("R")

#: A server that is silent holds up a run for this long. One on a busy machine takes seconds for
#: each call.
_PATIENCE_SECONDS = 10.0

#: A call that was missed leaves a whole run with fewer workers, and is made once.
_CALL_SECONDS = 60.0

#: So long a task run may take to begin, where it waits for no slot.
_BEGIN_SECONDS = 60.0
#: A server that did not answer is asked for slots again after this long; each time may cost a batch
#: as long as `_BEGIN_SECONDS`.
_WITHOUT_SECONDS = 600.0

#: The deployments, by flow and name, whose runs join one that was started. The second is what
#: version 0.1 called it; it may still be all that a server knows.
JOIN = "join-run/join"
_EARLIER_JOIN = "help-out/help"

Work: TypeAlias = Callable[[], Awaitable[Any]]


def _task_of(step: Step) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Decorate the task of a step. Nothing of it is cached or kept: the catalog knows what is left.

    `label` is the name of a task run on Prefect's page.
    """
    return task(
        name=step.value,
        tags=[step.value],
        task_run_name="{label}",
        cache_policy=NO_CACHE,
        persist_result=False,
    )


@_task_of(Step.DISCOVER)
async def discover(label: str, work: Work) -> Any:
    """List one source and compare it with the catalog."""
    return await work()


@_task_of(Step.PROBE)
async def probe(label: str, work: Work) -> Any:
    """Measure a batch of new files."""
    return await work()


@_task_of(Step.PREDICT)
async def predict(label: str, work: Work) -> Any:
    """Buy a batch of analyses."""
    return await work()


@_task_of(Step.COLLECT)
async def collect(label: str, work: Work) -> Any:
    """Collect what earlier runs left at the provider."""
    return await work()


@_task_of(Step.SETTLE)
async def settle(label: str, work: Work) -> Any:
    """Compare with the provider's bill."""
    return await work()


#: By the key, name or tag of a step a person can filter, time and limit its batches.
TASKS = {
    Step.DISCOVER: discover,
    Step.PROBE: probe,
    Step.PREDICT: predict,
    Step.COLLECT: collect,
    Step.SETTLE: settle,
}


class _Limit(enum.Enum):
    """What the server says of a step's tag."""

    NONE = enum.auto()
    SET = enum.auto()
    UNKNOWN = enum.auto()


class Batch(Generic[T]):
    """A batch's work, which is done once, whatever becomes of the task run that shows it."""

    def __init__(self, work: Callable[[], Awaitable[T]]) -> None:
        self._work = work
        self._done: list[T] = []
        #: Set when it has begun.
        self.begun = asyncio.Event()
        #: What it failed with.
        self.error: Exception | None = None

    async def do(self) -> T:
        """Do it."""
        self.begun.set()
        try:
            self._done.append(await self._work())
        except Exception as error:
            self.error = error
            raise
        return self._done[0]

    @property
    def has_ended(self) -> bool:
        """Whether it gave something, or failed."""
        return bool(self._done) or self.error is not None

    @property
    def result(self) -> T:
        """What it gave; raises what it failed with."""
        if self.error is not None:
            raise self.error
        return self._done[0]


def _untagged(step: Step) -> Task[[str, Work], Any]:
    """Give a step's task without its tag, so that Prefect asks its server for no slot."""
    untagged = TASKS[step].with_options()
    untagged.tags = set()
    return untagged


class PrefectRunner:
    """Shows batches to Prefect and calls workers there; leaves the rest to the runner behind it.

    Prefect 3.8 asks its server for a slot of a task's tag before the task begins, and fails the
    task if the server is too busy to answer. So the server is asked first whether there is a limit
    for the tag at all. Where there is, the batch waits for its slot as long as it takes. Where the
    server does not say, the batch is done at once, and its task run has no tag.
    """

    def __init__(self, behind: Runner, *, others: int = 0) -> None:
        self._behind = behind
        #: How many other workers are called.
        self._others = others
        #: Until then, in the event loop's time, the server is asked for no slots.
        self._ask_again_at = 0.0

    async def batch(self, step: Step, label: str, work: Callable[[], Awaitable[T]]) -> T:
        """Do it as a run of the step's task; without one, if Prefect cannot begin it."""
        batch = Batch(partial(self._behind.batch, step, label, work))
        limit = await self._limit(step)
        if limit is not _Limit.UNKNOWN:
            await self._show(TASKS[step], label, batch, limit)
        if not batch.begun.is_set():
            await self._show(_untagged(step), label, batch, _Limit.NONE)
        if not batch.begun.is_set():
            await batch.do()
        return batch.result

    async def _limit(self, step: Step) -> _Limit:
        """Ask whether somebody limits how many batches of a step go on at once."""
        clock = asyncio.get_running_loop().time
        if clock() < self._ask_again_at:
            return _Limit.UNKNOWN
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS), get_client() as client:
                await client.read_concurrency_limit_by_tag(step.value)
        except ObjectNotFound:
            return _Limit.NONE
        except (httpx.HTTPError, PrefectException, OSError) as error:
            self._go_without(error)
            return _Limit.UNKNOWN
        return _Limit.SET

    def _go_without(self, error: BaseException) -> None:
        """Ask for no slots for a while."""
        self._ask_again_at = asyncio.get_running_loop().time() + _WITHOUT_SECONDS
        get_run_logger().warning(
            "Prefect's server does not say whether there is room for another batch (%s); it is "
            "done all the same, without a tag.",
            type(error).__name__,
        )

    async def _show(
        self, shown: Task[[str, Work], Any], label: str, batch: Batch[T], limit: _Limit
    ) -> None:
        """Let a task run do a batch; what Prefect fails with is nothing to the batch.

        If it has not begun in time, it does not begin any more. Where there is a limit, the time is
        counted from when the run was asked to stop.
        """
        run = asyncio.ensure_future(shown(redact(label), batch.do))
        begun = asyncio.ensure_future(batch.begun.wait())
        stop = asyncio.ensure_future(self.stop_asked.wait())
        try:
            patience = _BEGIN_SECONDS
            if limit is _Limit.SET:
                await asyncio.wait({run, begun, stop}, return_when=asyncio.FIRST_COMPLETED)
                patience = _PATIENCE_SECONDS
            await asyncio.wait({run, begun}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if not batch.begun.is_set():
                run.cancel()
            await asyncio.wait({run})
        except asyncio.CancelledError:
            run.cancel()
            await asyncio.wait({run})
            raise
        finally:
            begun.cancel()
            stop.cancel()
        if run.cancelled():
            if batch.begun.is_set():
                raise asyncio.CancelledError
            self._go_without(TimeoutError())
            return
        error = run.exception()
        if error is None or error is batch.error:
            return
        if not isinstance(error, Exception) or (batch.begun.is_set() and not batch.has_ended):
            raise error
        self._go_without(error)

    async def agree(self, plan: Plan, stats: RunStats) -> bool:
        """Ask whoever started it."""
        return await self._behind.agree(plan, stats)

    async def call_others(self, run_id: str, sources: Sequence[str], stats: RunStats) -> None:
        """Ask Prefect for as many runs of the deployment `join`; the run goes on without them."""
        if not self._others:
            return
        get_run_logger().info("Calling %d other workers for run %s", self._others, run_id)
        calls = await asyncio.gather(
            *(_call(run_id, sources, number=number + 2) for number in range(self._others)),
            return_exceptions=True,
        )
        missed = [one for one in calls if one is not None]
        for error in missed:
            if not isinstance(error, httpx.HTTPError | PrefectException | OSError):
                raise error
        if missed:
            called = self._others - len(missed)
            which = (
                f"Only {called} of {self._others} other workers" if called else "No other worker"
            )
            stats.notices.append(
                f"{which} could be called ({type(missed[0]).__name__}), so the run went on "
                "without; is the deployment `join` there? `prefect deploy --all` makes it."
            )

    @property
    def stop_asked(self) -> asyncio.Event:
        """Set by the runner behind."""
        return self._behind.stop_asked


async def _call(run_id: str, sources: Sequence[str], number: int) -> None:
    """Ask for one run that joins another, as its worker of this number."""
    for deployment in (JOIN, _EARLIER_JOIN):
        try:
            async with asyncio.timeout(_CALL_SECONDS):
                await arun_deployment(
                    deployment,
                    parameters={"sharing": {"run_id": run_id, "sources": list(sources)}},
                    idempotency_key=f"{run_id}-{number}",
                    timeout=0,
                    as_subflow=False,
                )
        except ObjectNotFound:
            if deployment == _EARLIER_JOIN:
                raise
        else:
            return
