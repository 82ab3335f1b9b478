"""Finds stretches of time: those that FFmpeg's detectors note on frames, and those of movement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tasks.media.describing.signals import Span

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
