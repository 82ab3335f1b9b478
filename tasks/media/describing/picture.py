"""Measures pictures one at a time: FFmpeg's filters for what needs every pixel, cells for the rest.

Memory does not grow with the video, apart from one short record for each shot and each span.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from av import VideoFrame
from av.filter import Graph
from av.video.reformatter import Interpolation

from tasks.media.describing import cells
from tasks.media.describing.signals import Bars, ColourShare, Shot, Span
from tasks.media.describing.spans import SpanReader, busy_spans

#: Cells are compared this far apart.
_SAMPLE_SECONDS = 0.5
#: A cut this soon after another is a flash, not a shot.
_FLASH_SECONDS = 0.2
#: Shorter black is part of a cut; a shorter still picture is just a pause.
_BLACK_SECONDS = 0.5
_FROZEN_SECONDS = 2.0
#: Colours below this share of the picture are not worth a word.
_VISIBLE_SHARE = 0.04

#: Times as tall as wide that a picture is measured at most.
_TALLEST = 8
#: Rotation as players apply it, and the filter that does the same.
_TURNS = {
    90: (("transpose", "clock"),),
    180: (("hflip", None), ("vflip", None)),
    270: (("transpose", "cclock"),),
}


@dataclass(slots=True)
class _Tally:
    """Running sums over one shot."""

    start: float
    frames: int = 0
    luma: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    colours: Counter[str] = field(default_factory=Counter)
    changes: list[int] = field(default_factory=lambda: [0] * cells.SIDE**2)
    comparisons: int = 0

    def shot(self, end: float) -> Shot:
        frames = max(self.frames, 1)
        total = self.colours.total() or 1
        compared = self.comparisons * cells.SIDE**2
        return Shot(
            span=Span(start_seconds=self.start, end_seconds=end),
            brightness=round(min(max((self.luma / frames - 16) / 219, 0.0), 1.0), 3),
            contrast=round(self.contrast / frames / 219, 3),
            saturation=round(self.saturation / frames, 1),
            colours=tuple(
                ColourShare(name=name, share=round(count / total, 3))
                for name, count in sorted(self.colours.items(), key=lambda kv: (-kv[1], kv[0]))
                if count >= _VISIBLE_SHARE * total
            ),
            movement=round(sum(self.changes) / compared, 4) if compared else None,
            movement_place=cells.movement_place(self.changes),
        )


class PictureMeter:
    """Is shown every decoded frame in order, and told the end.

    Args:
        origin: The time in seconds of the first picture, as frames count it.
        rotation: Clockwise degrees that players turn the picture by.
    """

    def __init__(self, *, origin: float, rotation: int) -> None:
        self._origin = origin
        self._rotation = rotation
        self._graph: Graph | None = None
        self._shape: tuple[int, int, str] | None = None
        self._tally = _Tally(start=0.0)
        self._shots: list[Shot] = []
        self._black = SpanReader("lavfi.black_start", "lavfi.black_end", origin=origin)
        self._frozen = SpanReader(
            "lavfi.freezedetect.freeze_start", "lavfi.freezedetect.freeze_end", origin=origin
        )
        self._next_sample = 0.0
        self._lumas: list[int] | None = None
        self._brightest = [0] * cells.SIDE**2
        self._changes: list[tuple[float, float]] = []

    def see(self, frame: VideoFrame) -> None:
        """Measure one frame; its `pts` must be set."""
        shape = (frame.width, frame.height, frame.format.name)
        if self._graph is None or shape != self._shape:
            self._graph = _graph(frame, self._rotation)
            self._shape = shape
        self._graph.vpush(frame)
        small = self._graph.vpull()
        metadata = small.metadata
        time = max(float(small.time or 0.0) - self._origin, 0.0)
        if "lavfi.scd.time" in metadata and time - self._tally.start >= _FLASH_SECONDS:
            self._shots.append(self._tally.shot(time))
            self._tally = _Tally(start=time)
            self._lumas = None
            self._next_sample = time
        self._add(metadata)
        self._black.read(metadata)
        self._frozen.read(metadata)
        if time >= self._next_sample:
            self._next_sample = time + _SAMPLE_SECONDS
            self._sample(small, time)

    def shots(self, end: float) -> tuple[Shot, ...]:
        """All shots, the last one until `end`."""
        return (*self._shots, self._tally.shot(end))

    def black(self, end: float) -> tuple[Span, ...]:
        """Stretches without a picture."""
        return self._black.spans(end=end, at_least=_BLACK_SECONDS)

    def frozen(self, end: float) -> tuple[Span, ...]:
        """Stretches in which nothing at all changes."""
        return self._frozen.spans(end=end, at_least=_FROZEN_SECONDS)

    def activity(self) -> tuple[Span, ...]:
        """Stretches in which something moves."""
        return busy_spans(self._changes)

    def bars(self) -> Bars | None:
        """Black borders that never went away."""
        return cells.borders(self._brightest)

    def _add(self, metadata: dict[str, str]) -> None:
        tally = self._tally
        tally.frames += 1
        tally.luma += float(metadata["lavfi.signalstats.YAVG"])
        tally.contrast += float(metadata["lavfi.signalstats.YHIGH"]) - float(
            metadata["lavfi.signalstats.YLOW"]
        )
        tally.saturation += float(metadata["lavfi.signalstats.SATAVG"])

    def _sample(self, small: VideoFrame, time: float) -> None:
        rgb = _cells(small)
        lumas = cells.lumas(rgb)
        self._brightest = [max(pair) for pair in zip(self._brightest, lumas, strict=True)]
        self._tally.colours.update(cells.colours(rgb))
        if self._lumas is None:
            self._changes.append((time, 0.0))
        else:
            changed = cells.changed(self._lumas, lumas)
            for index in changed:
                self._tally.changes[index] += 1
            self._tally.comparisons += 1
            self._changes.append((time, len(changed) / cells.SIDE**2))
        self._lumas = lumas


def _graph(frame: VideoFrame, rotation: int) -> Graph:
    # As the picture's shape is, but a strip of a picture must not become millions of lines.
    height = "-2" if frame.height <= _TALLEST * frame.width else str(160 * _TALLEST)
    graph = Graph()
    graph.threads = 1
    graph.link_nodes(
        graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=frame.format,
            time_base=frame.time_base,
        ),
        graph.add("scale", f"160:{height}:flags=fast_bilinear:out_range=tv"),
        graph.add("format", "yuv420p"),
        *(graph.add(name, args) for name, args in _TURNS.get(rotation, ())),
        graph.add("signalstats"),
        graph.add("scdet", "t=10"),
        graph.add("blackdetect", "d=0.1"),
        graph.add("freezedetect", f"d={_FROZEN_SECONDS}"),
        graph.add("buffersink"),
    ).configure()
    return graph


def _cells(frame: VideoFrame) -> bytes:
    small = frame.reformat(
        width=cells.SIDE, height=cells.SIDE, format="rgb24", interpolation=Interpolation.AREA
    )
    plane = small.planes[0]
    data = bytes(plane)
    width = 3 * cells.SIDE
    return b"".join(
        data[row * plane.line_size : row * plane.line_size + width] for row in range(cells.SIDE)
    )
