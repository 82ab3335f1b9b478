"""Measures sound: loudness, its range, silences and where it is loudest."""

from __future__ import annotations

import math

from av import AudioFrame
from av.error import BlockingIOError as NothingYet
from av.error import EOFError as Drained
from av.filter import Graph

from tasks.sandbox.vision.signals import Sound, SpanReader

_SILENCE = "-50dB"
_SILENCE_SECONDS = 1.0
#: Loudness is the mean of moments of 400 ms.
_SHORTEST_SECONDS = 0.5
#: What the meter shows where there is nothing to hear.
_NOTHING_LUFS = -70.0


class SoundMeter:
    """Is played every decoded frame of one track in order.

    Args:
        origin: The time in seconds of the first picture.
        tracks: How many sound tracks the file has.
    """

    def __init__(self, *, origin: float, tracks: int) -> None:
        self._origin = origin
        self._tracks = tracks
        self._graph: Graph | None = None
        self._shape: tuple[str, str, int] | None = None
        self._channels = 0
        self._heard = 0.0
        self._silences = SpanReader("lavfi.silence_start", "lavfi.silence_end", origin=origin)
        self._loudness: float | None = None
        self._range: float | None = None
        self._loudest = (-math.inf, 0.0)

    def hear(self, frame: AudioFrame) -> None:
        """Measure one frame."""
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._graph is None or shape != self._shape:
            self._graph = _graph(frame)
            self._shape = shape
            self._channels = max(self._channels, frame.layout.nb_channels)
        self._heard += frame.samples / frame.sample_rate
        self._graph.push(frame)
        self._drain(self._graph)

    def sound(self, end: float) -> Sound:
        """What was heard until `end`."""
        loudest, at = self._loudest
        measurable = self._heard >= _SHORTEST_SECONDS
        return Sound(
            tracks=self._tracks,
            channels=self._channels,
            loudness_lufs=self._loudness if measurable else None,
            range_lu=self._range if measurable else None,
            loudest_at_seconds=round(at, 1) if loudest > _NOTHING_LUFS else None,
            silences=self._silences.spans(end=end, at_least=_SILENCE_SECONDS),
        )

    def _drain(self, graph: Graph) -> None:
        while True:
            try:
                frame = graph.pull()
            except (NothingYet, Drained):
                return
            metadata = frame.metadata
            self._silences.read(metadata)
            if "lavfi.r128.I" not in metadata:
                continue
            self._loudness = _finite(metadata["lavfi.r128.I"])
            self._range = _finite(metadata["lavfi.r128.LRA"])
            # Momentary loudness looks back 400 ms; its middle is what was loud.
            moment = (float(metadata["lavfi.r128.M"]), float(frame.time or 0.0) - 0.2)
            if moment[0] > self._loudest[0]:
                self._loudest = (moment[0], max(moment[1] - self._origin, 0.0))


def _graph(frame: AudioFrame) -> Graph:
    graph = Graph()
    graph.threads = 1
    graph.link_nodes(
        graph.add_abuffer(
            sample_rate=frame.sample_rate,
            format=frame.format.name,
            layout=frame.layout.name,
            time_base=frame.time_base,
        ),
        graph.add("ebur128", "metadata=1:framelog=quiet"),
        graph.add("silencedetect", f"noise={_SILENCE}:d={_SILENCE_SECONDS}"),
        graph.add("abuffersink"),
    ).configure()
    return graph


def _finite(text: str) -> float | None:
    value = float(text)
    return round(value, 1) if math.isfinite(value) else None
