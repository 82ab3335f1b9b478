"""What can be measured of a video, as plain values, and the stretches of time it holds for.

Times are seconds from the first picture. Nothing here reads a file or knows English.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from catalog.errors import ReelcatError

#: A smaller share of the picture that changes is noise; a car far away is about this.
_BUSY_SHARE = 0.015
#: Shorter rests do not end a movement.
_REST_SECONDS = 2.0


def busy_spans(changes: Iterable[tuple[float, float]]) -> tuple[Span, ...]:
    """The stretches of movement.

    Args:
        changes: For moments in order: the time, and the share of the picture that has changed since
            the moment before.
    """
    spans: list[tuple[float, float]] = []
    before = 0.0
    for time, share in changes:
        if share >= _BUSY_SHARE:
            if spans and before - spans[-1][1] <= _REST_SECONDS:
                spans[-1] = (spans[-1][0], time)
            else:
                spans.append((before, time))
        before = time
    return tuple(
        Span(start_seconds=round(start, 2), end_seconds=round(end, 2)) for start, end in spans
    )


class SpanReader:
    """Collects the spans of one detector.

    Args:
        start_key: Metadata that says when a span began, in seconds as frames count them.
        end_key: Metadata that says when it ended; a span without one lasts to the end.
        origin: The time that counts as zero.
    """

    def __init__(self, start_key: str, end_key: str, *, origin: float) -> None:
        self._start_key = start_key
        self._end_key = end_key
        self._origin = origin
        self._open: float | None = None
        self._closed: list[tuple[float, float]] = []

    def read(self, metadata: Mapping[str, str]) -> None:
        """Look at the metadata of the next frame."""
        starts, ends = metadata.get(self._start_key), metadata.get(self._end_key)
        start = None if starts is None else float(starts) - self._origin
        end = None if ends is None else float(ends) - self._origin
        if start is not None and end is not None and start < end:
            # A span just long enough is noted and over on one and the same frame.
            self._closed.append((start, end))
            return
        if end is not None and self._open is not None:
            self._closed.append((self._open, end))
            self._open = None
        if start is not None:
            self._open = start

    def spans(self, *, end: float, at_least: float) -> tuple[Span, ...]:
        """The spans of that many seconds or more, in order, none reaching beyond `end`."""
        still_open = [] if self._open is None else [(self._open, end)]
        return tuple(
            Span(start_seconds=round(max(start, 0.0), 2), end_seconds=round(min(stop, end), 2))
            for start, stop in (*self._closed, *still_open)
            if min(stop, end) - max(start, 0.0) >= at_least
        )


class NotDescribable(ReelcatError):
    """Nothing can be measured: no moving picture, or none that can be decoded."""


class PictureRegion(enum.StrEnum):
    """Where in the picture most of the movement lies, as displayed."""

    UPPER_LEFT = "the upper left"
    UPPER = "the upper third"
    UPPER_RIGHT = "the upper right"
    LEFT = "the left third"
    CENTRE = "the centre"
    RIGHT = "the right third"
    LOWER_LEFT = "the lower left"
    LOWER = "the lower third"
    LOWER_RIGHT = "the lower right"


class Bars(enum.StrEnum):
    """Black borders that stay for the whole video."""

    LETTERBOX = "at the top and bottom"
    PILLARBOX = "on the left and right"


class Reading(enum.Enum):
    """How densely the pictures were decoded."""

    EVERY_FRAME = "every frame"
    KEYFRAMES = "keyframes"  # cuts are estimates, short spans may be missed


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """A stretch of time."""

    start_seconds: float
    end_seconds: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end_seconds - self.start_seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class ColourShare:
    """How much of the picture one colour covers."""

    name: str
    #: 0 to 1 of the picture, averaged over time.
    share: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Shot:
    """The stretch between two cuts."""

    span: Span
    #: Mean luma, 0 (black) to 1 (white).
    brightness: float
    #: Distance between the darkest and the brightest tenth of the picture, 0 to 1.
    contrast: float
    #: ffmpeg's SATAVG: 0 is black and white, 30 is vivid.
    saturation: float
    #: Largest first; only what covers a visible part.
    colours: tuple[ColourShare, ...]
    #: Share of the picture that changes within half a second, 0 to 1; None if too short to tell.
    movement: float | None
    #: None when the movement is spread out or there is none.
    movement_place: PictureRegion | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Sound:
    """The first sound track."""

    tracks: int
    channels: int
    #: Integrated loudness; None when it could not be measured.
    loudness_lufs: float | None
    #: Loudness range in LU; None as above.
    range_lu: float | None
    loudest_at_seconds: float | None
    silences: tuple[Span, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Chapter:
    """A chapter mark; the title is empty where the file has none."""

    start_seconds: float
    title: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SubtitleLine:
    """One line of embedded text."""

    start_seconds: float
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Texts:
    """What the container says in words: claims of whoever wrote the file."""

    title: str | None = None
    comment: str | None = None
    #: Date and time of recording as the file claims it, `YYYY-MM-DD`.
    recorded_on: str | None = None
    #: Camera make and model.
    device: str | None = None
    chapters: tuple[Chapter, ...] = ()
    subtitle_tracks: int = 0
    #: The first text track within the window.
    subtitle_lines: tuple[SubtitleLine, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Damage:
    """What kept the video from being read as a whole."""

    #: Packets that could not be decoded.
    lost_packets: int = 0
    #: The header promises this much more than there is; None if it does not.
    missing_seconds: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Signals:
    """Everything measured of one video."""

    #: What the header says, else what was read to the end; None if neither.
    duration_seconds: float | None
    #: How much of the picture, from the start, was looked at.
    window_seconds: float
    #: Whether the file was read to its end.
    read_to_end: bool
    reading: Reading
    #: As displayed, after rotation.
    width: int
    height: int
    #: Clockwise degrees that players turn the stored picture by: 0, 90, 180 or 270.
    rotation: int
    #: Never empty.
    shots: tuple[Shot, ...]
    black: tuple[Span, ...]
    frozen: tuple[Span, ...]
    #: Stretches in which something moves, whatever it is.
    activity: tuple[Span, ...]
    bars: Bars | None
    #: None when there is no sound track.
    sound: Sound | None
    texts: Texts
    #: None when all could be read.
    damage: Damage | None
