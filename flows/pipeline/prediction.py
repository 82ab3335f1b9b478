"""One prediction: reserve its money, learn its video's address, and track it to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from catalog import holding, predictions
from catalog.budget_limits import scopes_at
from catalog.errors import AccountStopped
from catalog.holding import Purchase, Reservation
from catalog.outstanding import Orphan
from catalog.planning import Candidate
from catalog.values import Completed, Ended, Failed, Gone, Pending, RefusalKind, Refused
from flows.pipeline.runner import RunContext
from tasks.poll import Poller
from tasks.publish import Addresses
from tasks.record import MEDIA_ACCESS_FAILED, record
from tasks.runtime.stats import Issue


@dataclass(frozen=True, kw_only=True, slots=True)
class Reserver:
    """Sets money aside on behalf of one run."""

    context: RunContext
    addresses: Addresses

    async def reserve(self, jobs: Sequence[Candidate]) -> list[Reservation]:
        """Set the money aside; what the budgets do not reach is counted."""
        services, counts = self.context.services, self.context.stats.analyses
        now, run_id = services.clock(), self.context.budget_run_id
        result = await services.write(
            holding.hold,
            jobs,
            Purchase(
                run_id=run_id,
                owner_run_id=self.context.run_id,
                endpoint=services.provider.endpoint,
                price_list=services.provider.prices.version,
                scopes=scopes_at(now, run_id=run_id, zone=services.zone),
            ),
            now=now,
            unique=services.new_token,
        )
        counts.over_budget += len(result.over_budget)
        counts.in_flight_elsewhere += len(result.taken)
        places = await self.addresses.places([held.job for held in result.held])
        return [replace(held, access=places[held.job.left.video_id]) for held in result.held]

    async def give_back(self, reservation: Reservation, refusal: Refused | None) -> None:
        """Release a hold that nothing was sent for."""
        await self.context.services.write(
            predictions.drop,
            prediction_id=reservation.prediction_id,
            reason=None if refusal is None else refusal.reason,
            retry=refusal is None or refusal.kind is not RefusalKind.ITEM,
            now=self.context.services.clock(),
        )


@dataclass(kw_only=True, slots=True)
class Tracker:
    """Waits for the predictions of one run, and for what earlier runs left."""

    context: RunContext
    addresses: Addresses
    poller: Poller
    #: Called when one has been seen to end, before that is written down.
    on_end: Callable[[], None]
    #: Analyses whose predictions this run has collected for earlier ones; they were not done before
    #: it.
    collected: set[int] = field(default_factory=set)
    _following: set[asyncio.Future[Ended | Pending]] = field(default_factory=set)
    _leaving: bool = False
    #: Those of this run, by prediction; they are found again as if they were somebody else's.
    _lost: dict[int, Candidate] = field(default_factory=dict)
    #: By analysis: one that is tried again is a failure only once, and none if it succeeds.
    _troubles: dict[int, Issue] = field(default_factory=dict)

    async def follow(
        self, reservation: Reservation, provider_id: str, accepted_at: datetime
    ) -> None:
        """Wait for the end of a prediction of this run, and write it down.

        Raises:
            AccountStopped: if the key is refused; the prediction is left to the next run.
        """
        await self._follow(reservation.prediction_id, provider_id, accepted_at, job=reservation.job)

    async def collect(self, orphan: Orphan) -> None:
        """Wait for the end of a prediction that was found again, and write it down.

        Raises:
            AccountStopped: if the key is refused; the prediction is left to the next run.
        """
        if orphan.provider_id is None or orphan.submitted_at is None:
            return
        await self._follow(
            orphan.prediction_id,
            orphan.provider_id,
            orphan.submitted_at,
            job=self._lost.pop(orphan.prediction_id, None),
            orphan=orphan,
        )

    def lost(self, reservation: Reservation) -> None:
        """Remember whose answer was lost, in case it is found again within the run."""
        self._lost[reservation.prediction_id] = reservation.job

    def leave(self) -> None:
        """Wait no more: what still runs at the provider is left to the next run."""
        self._leaving = True
        for following in self._following:
            following.cancel()

    def failed(self, job: Candidate, reason: str) -> None:
        """Count a failure, once however often it is tried."""
        self._forget_trouble(job)
        trouble = Issue(what=job.left.uri, reason=f"{job.left.task}: {reason}", kind="analysis")
        self._troubles[job.left.analysis_id] = trouble
        self.context.stats.analyses.failed += 1
        self.context.stats.failures.append(trouble)

    def _collected_nothing(self, orphan: Orphan, ended: Failed | Gone) -> None:
        """Count that an earlier run's prediction ended without an answer, unless it is had yet."""
        reason = ended.reason if isinstance(ended, Failed) else "The provider no longer knows it."
        trouble = Issue(what=f"prediction {orphan.prediction_id}", reason=reason, kind="analysis")
        self._troubles[orphan.analysis_id] = trouble
        self.context.stats.analyses.failed += 1
        self.context.stats.failures.append(trouble)

    def _forget_trouble(self, job: Candidate) -> None:
        trouble = self._troubles.pop(job.left.analysis_id, None)
        if trouble is not None:
            self.context.stats.analyses.failed -= 1
            self.context.stats.failures.remove(trouble)

    async def _follow(
        self,
        prediction_id: int,
        provider_id: str,
        accepted_at: datetime,
        *,
        job: Candidate | None,
        orphan: Orphan | None = None,
    ) -> None:
        try:
            ended = await self._end_of(
                provider_id, accepted_at, None if orphan is None else orphan.expires_at
            )
        except AccountStopped:
            self.context.stats.analyses.left_running += 1
            raise
        if ended is None or isinstance(ended, Pending):
            self.context.stats.analyses.left_running += 1
            if ended is not None:
                self._name_left(prediction_id, provider_id, ended, job)
            return
        self.on_end()
        if job is None and orphan is not None:
            self.collected.add(orphan.analysis_id)  # before a plan can see what is written now
        duration = job.left.duration_seconds if job else orphan and orphan.duration_seconds
        await record(
            prediction_id, ended, duration_seconds=duration or None, services=self.context.services
        )
        if job is None:
            self.context.stats.analyses.collected += 1
            if orphan is not None and not isinstance(ended, Completed):
                self._collected_nothing(orphan, ended)
        elif isinstance(ended, Completed):
            self.context.stats.analyses.completed += 1
            self._forget_trouble(job)
        elif isinstance(ended, Failed):
            if ended.code == MEDIA_ACCESS_FAILED:
                self.addresses.forget(job.left.video_id)
            self.failed(job, ended.reason)

    def _name_left(
        self, prediction_id: int, provider_id: str, last: Pending, job: Candidate | None
    ) -> None:
        """Name what was waited for in vain: it is paid for, and its answer is still to be had."""
        trouble = f" Its last poll gave: {last.trouble.rstrip('.')}." if last.trouble else ""
        reason = (
            f"prediction {provider_id} did not end while this run waited for it.{trouble} The next "
            "run or `reelcat reconcile` collects it."
        )
        named = f"prediction {prediction_id}"
        if job is not None:
            named, reason = job.left.uri, f"{job.left.task}: {reason}"
        self.context.stats.failures.append(Issue(what=named, reason=reason, kind="running"))

    async def _end_of(
        self, provider_id: str, accepted_at: datetime, expires_at: datetime | None
    ) -> Ended | Pending | None:
        """Follow a prediction; None if it is left because the run is stopped."""
        following = asyncio.ensure_future(
            self.poller.follow(provider_id, accepted_at=accepted_at, expires_at=expires_at)
        )
        self._following.add(following)
        if self._leaving:
            following.cancel()
        try:
            return await following
        except asyncio.CancelledError:
            if self._leaving and following.cancelled():
                return None
            following.cancel()
            raise
        finally:
            self._following.discard(following)
