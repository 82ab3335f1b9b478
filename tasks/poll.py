"""Poll: look at one prediction until it has ended, no more often than is useful."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from datetime import datetime

from catalog.values import Ended, Gone, Pending
from tasks.runtime.services import Services
from tasks.wavespeed.polling import PollSchedule, ServiceTimes, Unseen

#: The last ones of a run, or all of a small one: to look at them costs little.
FEW = 10


@dataclass(kw_only=True, slots=True)
class Poller:
    """How predictions of one run are looked at; what they took teaches the next ones."""

    services: Services
    schedule: PollSchedule
    times: ServiceTimes
    unseen: Unseen
    rng: random.Random
    _followed: int = 0

    def likely_ended(self) -> int:
        """How many of those that are followed have probably ended, and were not seen since."""
        return self.unseen.likely(at=self._seconds())

    def _schedule(self) -> PollSchedule:
        return self.schedule.fitted(self.times, waiting=self._followed)

    def _seconds(self) -> float:
        return asyncio.get_running_loop().time()

    async def follow(
        self,
        provider_id: str,
        *,
        accepted_at: datetime,
        expires_at: datetime | None,
    ) -> Ended | Pending:
        """Wait for the end of a prediction; what the last look gave if it did not come in time.

        Gone only when the provider has certainly forgotten it.

        Raises:
            AccountStopped: if the key is refused.
        """
        self._followed += 1
        try:
            return await self._follow(provider_id, accepted_at, expires_at)
        finally:
            self._followed -= 1

    async def _follow(
        self, provider_id: str, accepted_at: datetime, expires_at: datetime | None
    ) -> Ended | Pending:
        clock, began = self.services.provider.clock, self._seconds()
        taken_over_at = max(0.0, (clock() - accepted_at).total_seconds())
        age = taken_over_at
        first_look = self._schedule().first_look_seconds(self.times)
        # One that is taken over late may have ended long before: when it did teaches nobody.
        last_unfinished = 0.0 if age <= first_look else None
        wait = max(0.0, first_look - age)
        patience = self.services.provider.patience.total_seconds()
        troubles = 0
        while True:
            await asyncio.sleep(wait)
            outcome = await self.services.provider.client.poll(provider_id)
            waited = self._seconds() - began  # no clock that is set meanwhile moves it
            age = taken_over_at + waited
            if isinstance(outcome, Gone):
                # By both clocks: what is called forgotten is looked for no more.
                now = min(clock.earliest(), self.services.clock())
                if expires_at is not None and now >= expires_at:
                    return outcome
                outcome = Pending(trouble="the provider does not know it yet")
            if not isinstance(outcome, Pending):
                if last_unfinished is not None:
                    self._learn(last_unfinished, age)
                return outcome
            if not outcome.trouble:  # a broken look says nothing
                last_unfinished = age
            troubles = troubles + 1 if outcome.trouble else 0
            wait = self._schedule().next_look_seconds(
                age_seconds=age,
                times=self.times,
                troubles=troubles,
                retry_after_seconds=outcome.retry_after_seconds,
                jitter=self.rng.random(),
                few=self._followed <= FEW,
            )
            if waited + wait > patience:
                return outcome

    def _learn(self, unfinished_at_seconds: float, finished_at_seconds: float) -> None:
        """Take note of how long one took, and how long it has been unnoticed."""
        ended = self.times.saw(
            unfinished_at_seconds=unfinished_at_seconds, finished_at_seconds=finished_at_seconds
        )
        self.unseen.saw(unnoticed_seconds=finished_at_seconds - ended, at=self._seconds())
