"""How fast predictions may be started.

Tiers are the provider's documented limits; the pacer keeps to one in one process, and below it
where the provider takes less. Sharing a limit among processes is the catalog's business.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass

from aiolimiter import AsyncLimiter


@dataclass(frozen=True, kw_only=True, slots=True)
class Tier:
    """What an account may do, as the provider's page on account levels says."""

    name: str
    starts_per_minute: int
    in_flight: int


TIERS = {
    tier.name: tier
    for tier in (
        Tier(name="bronze", starts_per_minute=2, in_flight=2),
        Tier(name="silver", starts_per_minute=500, in_flight=300),
        Tier(name="gold", starts_per_minute=3_000, in_flight=3_000),
        Tier(name="ultra", starts_per_minute=5_000, in_flight=10_000),
    )
}


@dataclass(kw_only=True, slots=True)
class Share:
    """What part of its tier's pace the provider takes at present; 1 unless it was refused lately.

    A refusal takes as large a part of it as was refused since the last one, three tenths at most,
    and time gives it back evenly: additive increase, multiplicative decrease, by which many find
    their shares of what none of them knows. Those who were under way when it was refused are
    refused, too, and count with the next one.
    """

    #: Of what it was before a refusal, at least.
    kept: float = 0.7
    #: From nothing to all of it in so many seconds.
    regain_seconds: float = 20.0
    together_seconds: float = 1.0
    least: float = 0.02
    _left: float = 1.0
    _refused_at: float = -math.inf
    #: Since the last time that a part was taken.
    _accepted: int = 0
    _refused: int = 0

    def at(self, now: float) -> float:
        """The share at a time in seconds."""
        if self._refused_at == -math.inf:
            return 1.0
        return min(1.0, self._left + (now - self._refused_at) / self.regain_seconds)

    def accepted(self) -> None:
        """The provider took one."""
        self._accepted += 1

    def refused(self, now: float) -> None:
        """The provider refused one for the pace."""
        self._refused += 1
        self._take(1 - self._refused / (self._accepted + self._refused), now)

    def slow(self, now: float) -> None:
        """The provider takes long, or nothing at all."""
        self._take(self.kept, now)

    def _take(self, kept: float, now: float) -> None:
        if now - self._refused_at >= self.together_seconds:
            self._left = max(self.least, max(self.kept, kept) * self.at(now))
            self._refused_at = now
            self._accepted = self._refused = 0


class StartPacer:
    """Lets at most `starts_per_minute` starts pass in any minute, evenly and in order of asking.

    The provider counts per minute, so a full minute's burst followed by a steady flow would be
    twice what it allows. Bursts are therefore a tenth of a second's worth, and the flow a little
    slower.
    """

    def __init__(self, starts_per_minute: int) -> None:
        self._burst = max(1, starts_per_minute // 600)
        flow = starts_per_minute - self._burst if self._burst > 1 else starts_per_minute * 0.99
        #: As many as half a second lets pass: those that begin together take one transaction.
        self.at_once = max(self._burst, starts_per_minute // 120)
        self._limiter = AsyncLimiter(self._burst, 60 * self._burst / flow)
        # One at a time, so that those who waited out a pause do not all start at its end.
        self._turnstile = asyncio.Lock()
        self._not_before = 0.0
        self._share = Share()

    async def turn(self) -> None:
        """Wait until one more prediction may be started."""
        await self.turns(1)

    async def turns(self, most: int) -> int:
        """Wait until several may be started, `most` and a burst at most; gives how many."""
        async with self._turnstile:
            count = await self._acquire(most)
            while (pause := self._pause_left()) > 0:
                await asyncio.sleep(pause)
                # What was granted before the pause is stale: it would come on top of what is
                # granted after it.
                count = await self._acquire(most)
        return count

    async def _acquire(self, most: int) -> int:
        """Wait for up to `most` and a burst, each of which costs more where the share is less."""
        share = self._share.at(asyncio.get_running_loop().time())
        count = min(most, max(1, int(self._burst * share)))
        cost = count / share
        while cost > 0:
            part = min(cost, self._burst)
            await self._limiter.acquire(part)
            cost -= part
        return count

    def accepted(self) -> None:
        """One was accepted."""
        self._share.accepted()

    def refused(self) -> None:
        """Start fewer for a while, by as much as is refused: one was, for its pace."""
        self._share.refused(asyncio.get_running_loop().time())

    def slow_down(self) -> None:
        """Start fewer for a while: the provider takes nothing, or answers slowly."""
        self._share.slow(asyncio.get_running_loop().time())

    def pause(self, seconds: float) -> None:
        """Start nothing for so long, as after a 429; a longer pause that runs already stays."""
        now = asyncio.get_running_loop().time()
        self._not_before = max(self._not_before, now + seconds)

    def _pause_left(self) -> float:
        return self._not_before - asyncio.get_running_loop().time()
