"""Securing: set money aside for analyses and learn where their videos lie, before any is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from zoneinfo import ZoneInfo

from catalog import holding, predictions
from catalog.budget import scopes_at
from catalog.holding import Held, Pick, Purchase
from catalog.planning import Job
from catalog.values import RefusalKind, Refused
from tasks.address import Addresses, Place
from tasks.services import Services
from tasks.tally import Tally


@dataclass(frozen=True, kw_only=True, slots=True)
class Secured:
    """A job whose money is set aside."""

    job: Job
    held: Held
    #: Where its video lay then.
    place: Place


@dataclass(frozen=True, kw_only=True, slots=True)
class Securer:
    """Sets money aside on behalf of one run."""

    services: Services
    run_id: str
    #: Whose budget pays: this run's, or that of the run which it shares.
    budget_run_id: str
    zone: ZoneInfo
    tally: Tally
    addresses: Addresses

    async def secure(self, jobs: Sequence[Job]) -> list[Secured]:
        """Set the money aside; what the budgets do not reach is counted."""
        now = self.services.clock()
        by_analysis = {job.left.analysis_id: job for job in jobs}
        result = await self.services.writer.apply(
            partial(
                holding.hold,
                picks=[
                    Pick(analysis_id=job.left.analysis_id, quote_micros=job.quote_micros)
                    for job in jobs
                ],
                purchase=Purchase(
                    run_id=self.budget_run_id,
                    owner_run_id=self.run_id,
                    endpoint=self.services.provider.endpoint,
                    price_list=self.services.provider.prices.version,
                    scopes=scopes_at(now, run_id=self.budget_run_id, zone=self.zone),
                ),
                now=now,
                unique=self.services.new_token,
            )
        )
        self.tally.analyses.over_budget += len(result.over_budget)
        self.tally.analyses.in_flight_elsewhere += len(result.taken)
        secured = [by_analysis[held.analysis_id] for held in result.held]
        places = await self.addresses.places(secured)
        return [
            Secured(job=job, held=held, place=places[job.left.video_id])
            for job, held in zip(secured, result.held, strict=True)
        ]

    async def give_back(self, held: Held, refusal: Refused | None) -> None:
        """Release a hold that nothing was sent for."""
        retry = refusal is None or refusal.kind is not RefusalKind.ITEM
        await self.services.writer.apply(
            partial(
                predictions.drop,
                prediction_id=held.prediction_id,
                reason=None if refusal is None else refusal.reason,
                retry=retry,
                now=self.services.clock(),
            )
        )
