"""The provider's time, as far as its answers tell it.

Machines disagree about the time by hours: a wrong zone, a virtual machine that was paused, a clock
that was set in mid-run. Whatever is compared with the provider's own times is therefore told in the
provider's time. It is known as a range, because an answer says when it was made to the second, and
some time passes until it is here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from catalog.values import Clock

#: The `Date` header counts whole seconds.
DATE_STEP = timedelta(seconds=1)
#: A longer header is none that a server writes.
_MOST_DATE = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Instant:
    """One moment on the clocks of this machine: the time of day, and what only runs forward."""

    wall: datetime
    uptime_seconds: float

    def elapsed(self, since: Instant) -> tuple[timedelta, timedelta]:
        """Give the least and the most time that has passed since an earlier moment.

        A clock that was set moves one of the two, and so does a pause that one does not count.
        """
        wall = self.wall - since.wall
        uptime = timedelta(seconds=self.uptime_seconds - since.uptime_seconds)
        return max(timedelta(0), min(wall, uptime)), max(timedelta(0), wall, uptime)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sample:
    #: The provider's time then was between these.
    earliest: datetime
    latest: datetime
    received: Instant


class ProviderClock:
    """Tells the provider's time. Until an answer told it, that is this machine's."""

    def __init__(self, wall: Clock, uptime: Callable[[], float]) -> None:
        self._wall = wall
        self._uptime = uptime
        self._sample: _Sample | None = None
        #: The most by which two answers contradicted each other.
        self._doubt = timedelta(0)

    def instant(self) -> Instant:
        """Read this machine's clocks."""
        return Instant(wall=self._wall(), uptime_seconds=self._uptime())

    def saw_date(self, header: str | None, *, asked: Instant) -> None:
        """Learn from the `Date` header of an answer to a question that was asked then."""
        stated = None if header is None else read_date(header)
        if stated is not None:
            self.saw(stated, asked=asked, step=DATE_STEP)

    def saw(self, stated: datetime, *, asked: Instant, step: timedelta = timedelta(0)) -> None:
        """Learn from a time that the provider stated between `asked` and now.

        `step` is by how much it may have rounded down. What earlier answers told makes the range
        narrower. Where an answer contradicts them, a clock was set, or the provider's machines
        disagree: the range is then wider by as much, for good.
        """
        received = self.instant()
        _, under_way = received.elapsed(asked)
        earliest, latest = stated, stated + step + under_way
        if self._sample is not None:
            least, most = received.elapsed(self._sample.received)
            before = self._sample.earliest + least, self._sample.latest + most
            if max(earliest, before[0]) <= min(latest, before[1]):
                earliest, latest = max(earliest, before[0]), min(latest, before[1])
            else:
                apart = abs(earliest - before[0]), abs(latest - before[1])
                self._doubt = max(self._doubt, *apart)
        self._sample = _Sample(earliest=earliest, latest=latest, received=received)

    def earliest(self) -> datetime:
        """Give a time that the provider's clock has reached."""
        if self._sample is None:
            return self._wall()
        least, _ = self.instant().elapsed(self._sample.received)
        return self._sample.earliest + least - self._doubt

    def latest(self) -> datetime:
        """Give a time that the provider's clock has not passed."""
        if self._sample is None:
            return self._wall()
        _, most = self.instant().elapsed(self._sample.received)
        return self._sample.latest + most + self._doubt

    def __call__(self) -> datetime:
        """Give the provider's time, rather too early than too late."""
        return self.earliest()

    def skew(self) -> timedelta | None:
        """Say by how much this machine's clock is ahead; negative if it is behind.

        Zero within what is known; None if the provider has not told its time.
        """
        if self._sample is None:
            return None
        now, earliest, latest = self._wall(), self.earliest(), self.latest()
        if now < earliest:
            return now - earliest
        return max(timedelta(0), now - latest)


@functools.lru_cache(maxsize=64)
def read_date(header: str) -> datetime | None:
    """Read a `Date` header; None if it is none, or of no year that a clock can show.

    >>> read_date("Mon, 23 Nov 2026 12:00:00 GMT")
    datetime.datetime(2026, 11, 23, 12, 0, tzinfo=datetime.timezone.utc)
    >>> read_date("yesterday") is None
    True
    """
    if len(header) > _MOST_DATE:
        return None
    try:
        stated = parsedate_to_datetime(header)
        stated = stated.replace(tzinfo=UTC) if stated.tzinfo is None else stated.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return stated if 2000 <= stated.year < 2200 else None
