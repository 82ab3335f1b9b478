"""The bill beside buying: read often enough to stop in time, and not so often as to slow it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from flows.bill import settle_or_say_why
from flows.preflight import check_drift
from tasks.services import Services
from tasks.tally import Tally

#: While a run buys, as long as it takes to read a bill that does not yet show what ended, and so
#: grows with every reading, so many times longer it is not read again.
_PAUSE_TIMES = 9


@dataclass(slots=True)
class Readings:
    """When the bill is read beside buying: at most a tenth of the time. Seconds of any clock."""

    _again_at: float = 0.0

    def is_due(self, now: float) -> bool:
        """Whether it is worth its time."""
        return now >= self._again_at

    def made(self, *, began: float, ended: float) -> None:
        """Learn how long one took."""
        self._again_at = ended + _PAUSE_TIMES * (ended - began)


@dataclass(kw_only=True, slots=True)
class BillBeside:
    """Settles what has ended while one run goes on buying."""

    services: Services
    tally: Tally
    _readings: Readings = field(default_factory=Readings)
    #: One reading at a time.
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def check(self, *, now: bool = False) -> None:
        """Settle what has ended; `now` even if that takes long, else it may be left for later.

        Raises:
            AccountStopped: if the bill is higher than was quoted, so that no more is to be bought.
        """
        if self.services.provider.offline:
            return
        clock = asyncio.get_running_loop().time
        async with self._reading:
            began = clock()
            if not now and not self._readings.is_due(began):
                return
            await settle_or_say_why(self.services, self.tally)
            self._readings.made(began=began, ended=clock())
            await check_drift(self.services)
