"""What the steps work with, built once by `flows.wiring` and handed to each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from catalog.database import Catalog
from catalog.pricing import PriceList
from catalog.rate_limits import Limits
from catalog.runs import HEARTBEAT_EVERY
from catalog.values import Clock
from tasks.media.pool import InspectPool
from tasks.runtime.writer import GroupWriter
from tasks.storage.registry import Stores
from tasks.wavespeed.client import WaveSpeed
from tasks.wavespeed.clock import ProviderClock

T = TypeVar("T")
Item = TypeVar("Item")
P = ParamSpec("P")


@dataclass(frozen=True, kw_only=True, slots=True)
class Provider:
    """Who describes the videos, and on which terms."""

    client: WaveSpeed
    #: Base URL; predictions of one endpoint are collected only there.
    endpoint: str
    prices: PriceList
    limits: Limits
    #: Whether it runs in this process, reads files itself and costs nothing.
    offline: bool
    #: Nobody else uses the account.
    exclusive: bool
    #: Least time between two polls of one prediction; None follows what predictions take.
    poll_gap: timedelta | None
    #: How long a lost submission may take to appear in the provider's list.
    settle_delay: timedelta
    #: How long a run waits for one prediction before it leaves it to the next run.
    patience: timedelta
    #: By how many micro-dollars the bill may exceed the quotes before a person has to look.
    drift_tolerance: int
    #: How long a link to a video must stay good: the queue's time and the provider's.
    link_lasts: timedelta
    #: Which key it is asked with, as a digest; None where there is none.
    account: str | None = None

    @property
    def clock(self) -> ProviderClock:
        """The provider's time, for whatever is compared with its own."""
        return self.client.clock


@dataclass(frozen=True, kw_only=True, slots=True)
class Waits:
    """How long a run pauses before it goes on, in seconds; the defaults are for production."""

    #: First wait after the provider asked for patience without saying how much; it doubles.
    pause: float = 1.0
    most_pause: float = 60.0
    #: How soon to ask again when the account's limits are used up.
    ask_again: float = 0.5
    #: How long an interrupted run goes on collecting.
    grace: float = 5.0
    #: How soon to look again whether runs that share the work are done with theirs.
    others: float = 1.0
    #: How often to look whether another run has died and left something.
    watch: float = 20.0
    #: How often to give a sign of life.
    beat: float = HEARTBEAT_EVERY.total_seconds()


@dataclass(frozen=True, kw_only=True, slots=True)
class Services:
    """Everything with an effect."""

    catalog: Catalog
    writer: GroupWriter
    stores: Stores
    pool: InspectPool
    provider: Provider
    clock: Clock
    #: Gives what nobody can guess and nothing else has at each call, safe in a URL.
    new_token: Callable[[], str]
    #: Where the days and months of budgets begin.
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    waits: Waits = field(default_factory=Waits)

    async def write(
        self, fn: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call `fn` in the writer's next transaction; returns what it gave after the commit.

        If it raises, it alone is undone. A caller that is cancelled undoes nothing.
        """
        return await self.writer.apply(_bound(fn, *args, **kwargs))

    async def write_all(
        self, fn: Callable[[Session, Sequence[Item]], Sequence[T]], items: Sequence[Item]
    ) -> Sequence[T]:
        """Call `fn` once for these and whatever else waits for it; gives an answer for each.

        Raises the first failure, once all that could be written are.
        """
        return await self.writer.add_all(fn, items)

    async def read(
        self, query: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call `query` with a session of its own, in a thread."""
        return await asyncio.to_thread(self._read, _bound(query, *args, **kwargs))

    def _read(self, query: Callable[[Session], T]) -> T:
        with self.catalog.read() as session:
            return query(session)


def _bound(
    fn: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs
) -> Callable[[Session], T]:
    """Give `fn` with all but its session; the writer names its crash points by its name."""

    @wraps(fn)
    def bound(session: Session) -> T:
        return fn(session, *args, **kwargs)

    return bound
