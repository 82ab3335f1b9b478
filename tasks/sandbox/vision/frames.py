"""Pictures of a video, one at a time: FFmpeg's filters for every pixel, a coarse grid for the rest.

Opening chooses the streams; every refusal is one sentence. The grid of averaged colours is 24 by 24
whatever the picture's size. Memory does not grow with the video.
"""

from __future__ import annotations

import colorsys
import functools
import os
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import av
from av import VideoFrame
from av.container import InputContainer
from av.error import FFmpegError
from av.filter import Graph
from av.stream import Disposition
from av.video.reformatter import Interpolation
from av.video.stream import VideoStream

from tasks.media.engine import FORMATS, MOST_PIXELS
from tasks.sandbox.vision.signals import (
    Bars,
    ColourShare,
    NotDescribable,
    PictureRegion,
    Shot,
    Span,
    SpanReader,
    busy_spans,
)

#: Not moving pictures, though in a video stream.
_STILL = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image


@contextmanager
def opened(path: str) -> Iterator[InputContainer]:
    """The container at `path`, for reading, closed afterwards.

    Raises:
        NotDescribable: It is not a video file, or cannot be read.
    """
    try:
        container = av.open(
            # With its protocol, so that no file name can look like an option or an address.
            "file:" + os.path.abspath(path),  # noqa: PTH100 - names that are not UTF-8 stay whole
            metadata_errors="replace",
            options={
                "format_whitelist": FORMATS,
                "protocol_whitelist": "file",
                "max_pixels": str(MOST_PIXELS),
            },
        )
    except (FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise NotDescribable(
            f"This file cannot be opened as a video ({reason}). Play it to see whether it is whole."
        ) from error
    with container:
        yield container


def picture_stream(container: InputContainer) -> VideoStream:
    """The stream of moving pictures that a player would show.

    Raises:
        NotDescribable: There is none, or its pictures are too large to decode safely.
    """
    moving = [
        stream
        for stream in container.streams.video
        if not stream.disposition & _STILL and stream.codec_context is not None
    ]
    if not moving:
        raise NotDescribable(
            "There is no moving picture in this file, so there is nothing to describe. "
            "Leave sound files and stills out of the source."
        )
    best = container.streams.best("video")
    stream = best if best in moving else moving[0]
    context = stream.codec_context
    if context.width * context.height > MOST_PIXELS:
        raise NotDescribable(
            f"A picture of {context.width} by {context.height} is too large to decode safely. "
            "Make a smaller copy and describe that."
        )
    # The header's word is not enough: any picture of the stream may have a size of its own.
    context.options = {"max_pixels": str(MOST_PIXELS)}
    context.thread_count = 1  # the same pictures everywhere, and many videos at a time
    return stream


SIDE = 24

#: A cell counts as changed when its average luma (0 to 255) moves by more than this: above what
#: compression and sensor noise do to an average of many pixels.
_CHANGE = 5
#: Borders stay below this luma, pictures rise above the other.
_BORDER_LUMA = 20
_PICTURE_LUMA = 60
#: Narrower borders are within the error of the grid.
_BORDER_CELLS = 2
#: Movement has a place when this share of it lies in one third.
_CONCENTRATED = 0.6

_PLACES = (
    (PictureRegion.UPPER_LEFT, PictureRegion.UPPER, PictureRegion.UPPER_RIGHT),
    (PictureRegion.LEFT, PictureRegion.CENTRE, PictureRegion.RIGHT),
    (PictureRegion.LOWER_LEFT, PictureRegion.LOWER, PictureRegion.LOWER_RIGHT),
)

#: Upper end of each hue in degrees, and its name when bright and when dark.
_HUES = (
    (14, "red", "dark red"),
    (42, "orange", "brown"),
    (68, "yellow", "olive"),
    (165, "green", "dark green"),
    (195, "turquoise", "dark turquoise"),
    (255, "blue", "dark blue"),
    (290, "purple", "dark purple"),
    (340, "pink", "dark pink"),
    (360, "red", "dark red"),
)


def cell_lumas(rgb: bytes) -> list[int]:
    """The brightness of each cell, 0 to 255."""
    return [
        (2 * r + 5 * g + b) >> 3 for r, g, b in zip(rgb[::3], rgb[1::3], rgb[2::3], strict=True)
    ]


def colours(rgb: bytes) -> Counter[str]:
    """How many cells have which colour."""
    return Counter(
        _rough_name(r >> 3, g >> 3, b >> 3)
        for r, g, b in zip(rgb[::3], rgb[1::3], rgb[2::3], strict=True)
    )


@functools.cache  # 32,768 possible colours, a few hundred in any one video
def _rough_name(r: int, g: int, b: int) -> str:
    return colour_name(r << 3 | 4, g << 3 | 4, b << 3 | 4)


def colour_name(r: int, g: int, b: int) -> str:
    """The everyday word for a colour.

    >>> colour_name(20, 160, 40), colour_name(110, 70, 30), colour_name(128, 130, 127)
    ('green', 'brown', 'grey')
    """
    hue, saturation, value = colorsys.rgb_to_hsv(r / 255, g / 255, b / 255)
    if value < 0.13:
        return "black"
    # In the dark a trace of noise has a hue, so the hue must stand out absolutely as well.
    if saturation < 0.17 or saturation * value < 0.09:
        return "white" if value > 0.85 else "grey" if value > 0.35 else "dark grey"
    bright, dark = next((light, deep) for top, light, deep in _HUES if hue * 360 <= top)
    if bright == "orange" and saturation < 0.5 and value > 0.6:
        return "beige"
    return dark if value < 0.45 + (0.15 if bright == "orange" else 0) else bright


def changed_cells(before: Sequence[int], after: Sequence[int]) -> list[int]:
    """The indices of the cells that changed between two grids of luma.

    What the whole picture shares, as when a camera adapts to the light, is not counted.
    """
    differences = [b - a for a, b in zip(before, after, strict=True)]
    common = statistics.median_low(differences)
    return [i for i, difference in enumerate(differences) if abs(difference - common) > _CHANGE]


def movement_place(changes: Sequence[int]) -> PictureRegion | None:
    """Where the changes, counted per cell, lie; None when they are spread out."""
    total = sum(changes)
    if not total:
        return None
    rows = [0, 0, 0]
    columns = [0, 0, 0]
    for index, count in enumerate(changes):
        rows[index // SIDE * 3 // SIDE] += count
        columns[index % SIDE * 3 // SIDE] += count
    row = _concentrated(rows, total)
    column = _concentrated(columns, total)
    if row is None and column is None:
        return None
    return _PLACES[1 if row is None else row][1 if column is None else column]


def borders(brightest: Sequence[int]) -> Bars | None:
    """The black bars, from the brightest luma that each cell ever had."""
    if max(brightest) < _PICTURE_LUMA:
        return None
    rows = [max(brightest[i * SIDE : (i + 1) * SIDE]) for i in range(SIDE)]
    columns = [max(brightest[i::SIDE]) for i in range(SIDE)]
    if _framed(rows):
        return Bars.LETTERBOX
    return Bars.PILLARBOX if _framed(columns) else None


def _concentrated(thirds: Sequence[int], total: int) -> int | None:
    best = max(range(3), key=thirds.__getitem__)
    return best if thirds[best] >= _CONCENTRATED * total else None


def _framed(lines: Sequence[int]) -> bool:
    edges = (*lines[:_BORDER_CELLS], *lines[-_BORDER_CELLS:])
    return max(edges) < _BORDER_LUMA


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
class _PictureTotals:
    """Running sums over one shot."""

    start: float
    frames: int = 0
    luma: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    colours: Counter[str] = field(default_factory=Counter)
    changes: list[int] = field(default_factory=lambda: [0] * SIDE**2)
    comparisons: int = 0

    def shot(self, end: float) -> Shot:
        frames = max(self.frames, 1)
        total = self.colours.total() or 1
        compared = self.comparisons * SIDE**2
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
            movement_place=movement_place(self.changes),
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
        self._totals = _PictureTotals(start=0.0)
        self._shots: list[Shot] = []
        self._black = SpanReader("lavfi.black_start", "lavfi.black_end", origin=origin)
        self._frozen = SpanReader(
            "lavfi.freezedetect.freeze_start", "lavfi.freezedetect.freeze_end", origin=origin
        )
        self._next_sample = 0.0
        self._lumas: list[int] | None = None
        self._brightest = [0] * SIDE**2
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
        if "lavfi.scd.time" in metadata and time - self._totals.start >= _FLASH_SECONDS:
            self._shots.append(self._totals.shot(time))
            self._totals = _PictureTotals(start=time)
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
        return (*self._shots, self._totals.shot(end))

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
        return borders(self._brightest)

    def _add(self, metadata: dict[str, str]) -> None:
        totals = self._totals
        totals.frames += 1
        totals.luma += float(metadata["lavfi.signalstats.YAVG"])
        totals.contrast += float(metadata["lavfi.signalstats.YHIGH"]) - float(
            metadata["lavfi.signalstats.YLOW"]
        )
        totals.saturation += float(metadata["lavfi.signalstats.SATAVG"])

    def _sample(self, small: VideoFrame, time: float) -> None:
        rgb = _cells(small)
        lumas = cell_lumas(rgb)
        self._brightest = [max(pair) for pair in zip(self._brightest, lumas, strict=True)]
        self._totals.colours.update(colours(rgb))
        if self._lumas is None:
            self._changes.append((time, 0.0))
        else:
            changed = changed_cells(self._lumas, lumas)
            for index in changed:
                self._totals.changes[index] += 1
            self._totals.comparisons += 1
            self._changes.append((time, len(changed) / SIDE**2))
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
        width=SIDE, height=SIDE, format="rgb24", interpolation=Interpolation.AREA
    )
    plane = small.planes[0]
    data = bytes(plane)
    width = 3 * SIDE
    return b"".join(
        data[row * plane.line_size : row * plane.line_size + width] for row in range(SIDE)
    )
