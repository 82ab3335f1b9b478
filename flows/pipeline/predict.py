"""Predict: buy what a plan says, many at once: hold, submit, poll, record.

Everything that decides lies in `catalog`, every effect in `tasks`; this is the order in which they
happen to one analysis, and how many analyses are under way together.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from catalog.analyses import AnalysisSpec
from catalog.batches import batched
from catalog.errors import AccountStopped
from catalog.holding import Reservation
from catalog.outstanding import Orphan
from catalog.planning import Candidate
from catalog.values import (
    Accepted,
    RefusalKind,
    Refused,
    SubmitOutcome,
    Uncertain,
)
from flows.pipeline.billing import BillWatch
from flows.pipeline.limits import LimitWatch
from flows.pipeline.prediction import Reserver, Tracker
from flows.pipeline.recovery import LostAnswers
from flows.pipeline.runner import RunContext, Step
from tasks.foundation.concurrency import together
from tasks.poll import Poller
from tasks.publish import Addresses, CannotAddress
from tasks.runtime.breaker import Breaker, is_too_fast
from tasks.runtime.starter import Starter
from tasks.runtime.stats import Issue
from tasks.submit import submit
from tasks.wavespeed.pacing import StartPacer
from tasks.wavespeed.polling import ServiceTimes, Unseen, schedule_for

#: Analyses in one batch, which is one task run where Prefect watches.
BATCH = 200
#: A refusal that is about the pace alone is tried again as long as the run goes on; any other so
#: many times, and then by the next run.
_MOST_TRIES = 5
#: Far beyond any longest pause.
_MOST_DOUBLED = 30
#: A provider that takes so long to take a submission has too many of them.
_SLOW = timedelta(seconds=15)


@dataclass(kw_only=True, slots=True)
class Engine:
    """Everything that the predictions of one run share."""

    context: RunContext
    spec: AnalysisSpec
    reserver: Reserver
    starter: Starter
    addresses: Addresses
    tracker: Tracker
    bill: BillWatch
    limits: LimitWatch
    lost_answers: LostAnswers
    breaker: Breaker = field(default_factory=Breaker)
    #: Set once the account has said that nothing else will work.
    account_stop: AccountStopped | None = None
    #: Analyses of the run of which an earlier one lost a submission.
    uncertain_before: set[int] = field(default_factory=set)
    #: Analyses that are left to the next run, because their videos cannot be reached now.
    put_off: set[int] = field(default_factory=set)
    _halt: asyncio.Event = field(default_factory=asyncio.Event)
    #: Files are looked at, and links signed, shortly before they are needed.
    _prefetch: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(BATCH))
    #: How many of the batches that have begun wait to be started; set while they are few.
    _backlog: int = 0
    _below_low_water: asyncio.Event = field(default_factory=asyncio.Event)

    async def predict(self, jobs: Sequence[Candidate]) -> None:
        """Buy these, in order, as far as budgets, the account and the runner allow.

        The next batch begins as soon as few are left that wait to be started, so that the slow ones
        of a batch keep no slot empty, and no more is held than others could be buying.
        """
        async with together() as collecting:
            bought = asyncio.Event()
            collecting.create_task(self._find_lost(collecting, bought))
            try:
                await self._predict_all(jobs)
            finally:
                bought.set()

    async def _predict_all(self, jobs: Sequence[Candidate]) -> None:
        async with together() as group:
            for number, batch in enumerate(batched(jobs, BATCH), start=1):
                self._queue(len(batch))
                label = f"predict-{number} ({len(batch)} analyses)"
                work = partial(self._batch, batch)
                group.create_task(self.context.runner.batch(Step.PREDICT, label, work))
                await self._below_low_water.wait()
                if self.halted:
                    break

    async def _find_lost(self, group: asyncio.TaskGroup, bought: asyncio.Event) -> None:
        """Collect what was accepted without an answer, while others are bought."""

        def collect(found: Sequence[Orphan]) -> None:
            group.create_task(self.collect(found))

        try:
            await self.lost_answers.ask(collect, until=bought)
        except AccountStopped as error:
            self.stop_account(error)

    def _queue(self, more: int) -> None:
        """Count who waits to be started; negative when somebody does no longer."""
        self._backlog += more
        if self._backlog < BATCH or self.halted:
            self._below_low_water.set()
        else:
            self._below_low_water.clear()

    async def collect(self, orphans: Sequence[Orphan]) -> None:
        """Follow predictions of earlier runs to their end, earliest deadline first."""
        async with together() as group:
            for orphan in orphans:
                group.create_task(self._keeping_account(self.tracker.collect(orphan)))

    async def _keeping_account(self, following: Awaitable[None]) -> None:
        """Follow; an account that refuses to be asked stops the run, not what else is followed."""
        try:
            await following
        except AccountStopped as error:
            self.stop_account(error)

    @property
    def halted(self) -> bool:
        """Whether nothing new is submitted any more."""
        return self._halt.is_set()

    async def watch(self) -> None:
        """Run during everything else: when asked to stop, submit no more, and soon wait no more."""
        await self.context.runner.stop_asked.wait()
        self.halt()
        await asyncio.sleep(self.context.services.waits.grace)
        self.tracker.leave()

    def halt(self) -> None:
        """Submit nothing from now on; what is in flight is still collected."""
        self._halt.set()
        self._below_low_water.set()
        self.starter.close()

    async def _batch(self, jobs: Sequence[Candidate]) -> None:
        held = await self.reserver.reserve(jobs)
        self._queue(len(held) - len(jobs))
        await self.limits.look()
        async with together() as group:
            for one in held:
                group.create_task(self._predict(one))
        if held:  # a batch that others took says nothing new
            await self.check_bill()

    async def check_bill(self, *, now: bool = False) -> None:
        """Settle what has ended, and buy no more if the bill is higher than was quoted."""
        try:
            await self.bill.check(now=now)
        except AccountStopped as error:
            self.stop_account(error)

    async def _predict(self, reservation: Reservation) -> None:
        """Take one analysis as far as it goes; a passing refusal is tried again with a new hold."""
        pause, tries = self.context.services.waits.pause, 0
        job = reservation.job
        current: Reservation | None = reservation
        with contextlib.ExitStack() as waiting:
            waiting.callback(self._queue, -1)
            while current is not None:
                refusal = await self._attempt(current, waiting)
                if refusal is None:
                    return
                tries += not is_too_fast(refusal)
                if refusal.kind is RefusalKind.PLACE:
                    self.put_off.add(job.left.analysis_id)
                if not refusal.kind.concerns_others or tries >= _MOST_TRIES:
                    self.tracker.failed(job, refusal.reason)
                    return
                if self.halted:
                    return
                wait = self._wait_after(refusal, pause)
                if not is_too_fast(refusal):  # whether that concerns others, is known already
                    self.starter.pause(wait)
                await self._wait(wait)
                pause = min(2 * pause, self.context.services.waits.most_pause)
                again = await self.reserver.reserve([job])
                current = again[0] if again else None

    async def _attempt(
        self, reservation: Reservation, waiting: contextlib.ExitStack
    ) -> Refused | None:
        """Make one attempt; gives a refusal that released its hold, None once it is decided.

        Whoever was not refused waits no longer.
        """
        began = self.context.services.clock()
        async with self._prefetch:
            url: str | None = None
            try:
                if not self.halted:
                    url = await self.addresses.of(
                        reservation.job, reservation.token, reservation.access
                    )
            except CannotAddress as error:
                self._saw(error.refusal, began)
                await self.reserver.give_back(reservation, error.refusal)
                return error.refusal
            except AccountStopped as error:
                self.stop_account(error)
            is_ready = url is not None and not self.halted
            intended_at = await self.starter.start(reservation.prediction_id) if is_ready else None
            if url is None or intended_at is None:
                self._check_starved()
                await self.reserver.give_back(reservation, None)
                return None
        began = self.context.services.clock()
        outcome = await submit(
            reservation,
            url,
            self.spec,
            self.context.services,
            intended_at=intended_at,
            is_halted=lambda: self.halted,
            saw=partial(self._saw, began=began),
        )
        if self.context.services.clock() - began > _SLOW:
            self.starter.slow_down()
        if isinstance(outcome, Refused):
            return outcome
        waiting.close()
        match outcome:
            case Uncertain():
                self.context.stats.analyses.submitted += 1
                self.tracker.lost(reservation)
                self.lost_answers.lost(self.context.services.clock())
            case Accepted(provider_id=provider_id):
                self.context.stats.analyses.submitted += 1
                self.lost_answers.accepted(began)
                following = self.tracker.follow(
                    reservation, provider_id, self.context.services.provider.clock()
                )
                await self._keeping_account(following)
        return None

    def _wait_after(self, refusal: Refused | Uncertain, pause: float) -> float:
        """As long as the provider asks, else longer for each refusal in a row."""
        if is_too_fast(refusal):
            doubled = min(max(0, self.breaker.too_fast - 2), _MOST_DOUBLED)
            longer = self.context.services.waits.pause / 4 * 2.0**doubled
        else:
            longer = pause * 4.0 ** max(0, self.breaker.in_a_row - 1)
        return refusal.retry_after_seconds or min(longer, self.context.services.waits.most_pause)

    def _saw(self, outcome: SubmitOutcome, began: datetime) -> None:
        self.breaker.saw(outcome, began=began, now=self.context.services.clock())
        if self.breaker.opened_by is not None:
            self.halt()
        elif isinstance(outcome, Accepted):
            self.starter.accepted()
        elif is_too_fast(outcome):
            self.starter.refused()
            # A single one among others that are accepted says little of the pace.
            if self.breaker.too_fast > 1 or outcome.retry_after_seconds:
                self.starter.pause(self._wait_after(outcome, self.context.services.waits.pause))
        elif outcome.kind is not None and outcome.kind.concerns_others:
            self.starter.pause(self._wait_after(outcome, self.context.services.waits.pause))

    def _check_starved(self) -> None:
        """Stop a run whose next start would wait for ever."""
        if self.starter.starved and not self.halted:
            self.halt()
            reason = (
                "Predictions that do not end take all of the account's room for further ones; run "
                "again when `reelcat status` shows fewer in flight, or with a higher --concurrency."
            )
            endpoint = self.context.services.provider.endpoint
            self.context.stats.failures.append(Issue(what=endpoint, reason=reason, kind="provider"))

    def stop_account(self, error: AccountStopped) -> None:
        """Take note that the account refuses everything: nothing is submitted any more."""
        self.account_stop = self.account_stop or error
        self.halt()

    async def _wait(self, seconds: float) -> None:
        """Wait, but not longer than until the run is stopped."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._halt.wait()


def new_engine(context: RunContext, *, spec: AnalysisSpec, rng: random.Random) -> Engine:
    """Put an engine together for one run."""
    services = context.services
    limits, addresses = services.provider.limits, Addresses(services=services)
    pacer = None if limits.starts_per_minute is None else StartPacer(limits.starts_per_minute)
    poller = Poller(
        services=services,
        schedule=schedule_for(services.provider.poll_gap),
        times=ServiceTimes(),
        unseen=Unseen(),
        rng=rng,
    )
    starter = Starter(services=services, pacer=pacer, ended=poller.likely_ended)
    return Engine(
        context=context,
        spec=spec,
        reserver=Reserver(context=context, addresses=addresses),
        starter=starter,
        addresses=addresses,
        bill=BillWatch(context=context),
        limits=LimitWatch(context=context),
        lost_answers=LostAnswers(context=context),
        tracker=Tracker(
            context=context,
            addresses=addresses,
            poller=poller,
            on_end=starter.make_room,
        ),
    )
