"""Which durations are believed, and what is read to find a better one.

Pure: a duration decides what a video costs, and a header only claims it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from decimal import Decimal

from catalog.values import DurationSource
from tasks.media.containers import Family, Layout
from tasks.media.engine import Moments, Report

ONE_DAY_SECONDS = Decimal(86_400)
#: Bits per second outside of which no video lies: a still slide show, an uncompressed 4K master.
LEAST_BIT_RATE, MOST_BIT_RATE = 1_000, 1_000_000_000
#: How long before the claimed end the tail check begins.
TAIL_SECONDS = Decimal(3)
#: Seeking here means seeking to the end, wherever that is.
FAR_BEYOND_SECONDS = Decimal(10_000_000)
#: The longest that a last frame is shown, where that is written nowhere.
FRAME_SECONDS = Decimal("0.5")
#: Containers that keep no duration: FFmpeg has read the last time stamps itself.
MEASURED_BY_FFMPEG = frozenset(("mpegts", "mpeg"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Length:
    """How long a file lasts, and where that was read."""

    seconds: Decimal | None
    source: DurationSource


UNKNOWN_LENGTH = Length(seconds=None, source=DurationSource.NONE)


class Check(enum.Enum):
    """What has to be read before a duration can be given."""

    NONE = enum.auto()  # the header is believed
    TAIL = enum.auto()  # the last seconds
    SCAN = enum.auto()  # every packet, because the end is known to be missing
    GIVE_UP = enum.auto()  # nothing that is worth its price


def claimed_seconds(report: Report) -> Decimal | None:
    """Return the larger of the container's and the streams' durations; None if none says."""
    durations = [s.duration_seconds for s in report.streams if not s.still]
    known = [d for d in (report.duration_seconds, *durations) if d is not None and d > 0]
    return max(known, default=None)


def plausible(seconds: Decimal | None, size: int) -> bool:
    """Whether so many bytes can last so long."""
    if seconds is None or seconds <= 0:
        return False
    return LEAST_BIT_RATE <= size * 8 / seconds <= MOST_BIT_RATE


def is_cut(layout: Layout, size: int) -> bool:
    """Whether the file ends before its own structure does."""
    return (
        layout.promised_bytes is not None and layout.promised_bytes > size and not layout.fragmented
    )


def lacks_little(layout: Layout, size: int) -> bool:
    """Whether a cut file may lack nothing but padding or a list at its end."""
    return size >= (layout.promised_bytes or 0) * 0.99


def needed_check(report: Report, layout: Layout, *, size: int, near: bool) -> Check:
    """Decide what must be read to know how long a file lasts.

    Far away, a check that only confirms a plausible header is not worth its requests.
    """
    claim = claimed_seconds(report)
    if is_cut(layout, size):
        return Check.SCAN if near else Check.GIVE_UP
    if claim is None or claim >= ONE_DAY_SECONDS or not plausible(claim, size):
        return Check.TAIL
    vouched = layout.family is not Family.OTHER and layout.promised_bytes is not None
    return Check.NONE if vouched or not near else Check.TAIL


def seek_target(report: Report, size: int) -> Decimal:
    """Return where the tail check enters the file, in its own time."""
    claim = claimed_seconds(report)
    if claim is None or not plausible(claim, size):
        return FAR_BEYOND_SECONDS
    return max(Decimal(0), claim - TAIL_SECONDS) + (report.start_seconds or 0)


def claimed_length(report: Report, size: int) -> Length:
    """Take the header's word, if so many bytes can last so long."""
    claim = claimed_seconds(report)
    if not plausible(claim, size):
        return UNKNOWN_LENGTH
    measured = report.container in MEASURED_BY_FFMPEG
    return Length(seconds=claim, source=DurationSource.TAIL if measured else DurationSource.HEADER)


def measured_length(report: Report, moments: Moments | None, size: int) -> Length:
    """Take what was read at the end; unknown if that makes no sense either.

    A header that says slightly more than the packets do is kept: how long the last frame is shown
    is often written nowhere else.
    """
    if moments is None:
        return UNKNOWN_LENGTH
    begin = moments.first if report.start_seconds is None else report.start_seconds
    held = moments.last - begin
    if not plausible(held, size):
        return UNKNOWN_LENGTH
    claim = claimed_seconds(report)
    if claim is not None and plausible(claim, size) and reaches(held, claim):
        held = max(held, claim)
    read_all = moments.first - begin < 1
    return Length(seconds=held, source=DurationSource.SCAN if read_all else DurationSource.TAIL)


def reaches(held: Decimal | None, claim: Decimal | None) -> bool:
    """Whether what is there is as long as what the header claims, give or take a frame."""
    return held is not None and claim is not None and claim - held <= FRAME_SECONDS


def falls_short(held: Decimal | None, claim: Decimal | None) -> bool:
    """Whether what is there is clearly less than what the header claims."""
    if held is None or claim is None:
        return False
    return held < claim * Decimal("0.95") and claim - held > 1
