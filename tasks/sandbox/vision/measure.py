"""Reads a video once, from the start, and measures picture, sound and text on the way.

Text is a few tags, chapters and subtitle lines. Where a video was taken is never read. All of it is
somebody's claim, so it is cut short and freed of control characters before anything quotes it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any, Final

from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.subtitles.subtitle import AssSubtitle
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from tasks.media.engine import MOST_PIXELS
from tasks.sandbox.vision.frames import PictureMeter, opened, picture_stream
from tasks.sandbox.vision.signals import (
    Chapter,
    Damage,
    NotDescribable,
    Reading,
    Signals,
    SubtitleLine,
    Texts,
)
from tasks.sandbox.vision.sound import SoundMeter

_LONGEST_TAG = 160
_LONGEST_LINE = 120
_MOST_CHAPTERS = 50
MOST_LINES = 200

_TITLE = ("title", "com.apple.quicktime.title", "com.apple.quicktime.displayname")
_COMMENT = ("description", "comment", "synopsis", "com.apple.quicktime.description")
_DATE = ("com.apple.quicktime.creationdate", "date_recorded", "creation_time", "date")
_MAKE = ("com.apple.quicktime.make", "com.android.manufacturer", "make")
_MODEL = ("com.apple.quicktime.model", "com.android.model", "model")

_ASS_OVERRIDE = re.compile(r"\{[^}]*\}|<[^>]*>")
_DAY = re.compile(r"(?:19[0-9]{2}|20[0-9]{2})-[01][0-9]-[0-3][0-9]")


def clean(text: str, *, limit: int) -> str:
    r"""One printable line of at most `limit` characters.

    >>> clean("two\n lines\x07", limit=20)
    'two lines'
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def subtitle_text(raw: bytes) -> str:
    """A subtitle's words without its styling."""
    text = raw.decode("utf-8", errors="replace").replace("\\N", " ").replace("\\n", " ")
    return clean(_ASS_OVERRIDE.sub("", text), limit=_LONGEST_LINE)


def read_texts(
    tags: Mapping[str, str],
    chapters: Iterable[Mapping[str, Any]],
    *,
    subtitle_tracks: int,
    lines: Iterable[SubtitleLine],
) -> Texts:
    """Put together what a container says. `chapters` are as PyAV gives them."""
    lower = {key.lower(): value for key, value in tags.items()}
    make, model = _first(lower, _MAKE), _first(lower, _MODEL)
    if make and model and model.lower().startswith(make.lower()):
        make = None
    day = _DAY.search(_first(lower, _DATE) or "")
    return Texts(
        title=_first(lower, _TITLE),
        comment=_first(lower, _COMMENT),
        recorded_on=day.group() if day else None,
        device=" ".join(part for part in (make, model) if part) or None,
        chapters=tuple(_chapter(chapter) for chapter in chapters)[:_MOST_CHAPTERS],
        subtitle_tracks=subtitle_tracks,
        subtitle_lines=tuple(lines)[:MOST_LINES],
    )


def _chapter(chapter: Mapping[str, Any]) -> Chapter:
    title = chapter["metadata"].get("title", "")
    return Chapter(
        start_seconds=round(float(chapter["start"] * chapter["time_base"]), 2),
        title=clean(title, limit=_LONGEST_TAG),
    )


def _first(tags: Mapping[str, str], names: Iterable[str]) -> str | None:
    for name in names:
        text = clean(tags.get(name, ""), limit=_LONGEST_TAG)
        if text:
            return text
    return None


#: As much as the provider looks at.
WINDOW_SECONDS: Final = 120.0

#: Pixels decoded frame by frame at most, about six seconds of one core for H.264: 30 s of 1080p25
#: or the whole window of 480p25 lie below it.
_EVERY_FRAME_PIXELS = 1_600_000_000
#: A video that does not say how long it is has at least this many bits a second.
_LOWEST_BITRATE = 64_000
_KEYFRAME_SPACING_SECONDS = 0.5
#: A header may promise this much more than there is before the file is called cut short.
_HEADER_SLACK_SECONDS = 1.0
#: Streams are interleaved; what belongs to the window has come by this long after its end.
_INTERLEAVING_SECONDS = 1.0


def measure(
    path: str, *, window_seconds: float = WINDOW_SECONDS, deadline: float | None = None
) -> Signals:
    """Measure the video at `path` from its start.

    Args:
        path: A local file; opened for reading only.
        window_seconds: Nothing beyond is looked at.
        deadline: An instant of `time.monotonic()` at which to stop with what there is by then.

    Raises:
        NotDescribable: There is no moving picture in it, or none that can be decoded.
    """
    with opened(path) as container:
        reader = _Reader(container, picture_stream(container), window_seconds)
        reader.read(deadline)
        return reader.signals()


class _Reader:
    """One pass over one container."""

    def __init__(self, container: InputContainer, stream: VideoStream, window: float) -> None:
        self._container = container
        self._video = stream
        audio = container.streams.best("audio")
        self._audio = audio if isinstance(audio, AudioStream) else None
        self._subtitles = next(iter(container.streams.subtitles), None)
        self._chosen = [s for s in (stream, self._audio, self._subtitles) if s is not None]
        self._window = window
        self._origin = _origin(container, stream)
        self._reading = _reading(container, stream, window)
        #: As the header says, or the first picture: one that cannot be decoded forgets it.
        self._size = (stream.codec_context.width, stream.codec_context.height)
        self._pictures: PictureMeter | None = None
        self._rotation = 0
        self._sounds = SoundMeter(origin=self._origin, tracks=len(container.streams.audio))
        self._lines: list[SubtitleLine] = []
        self._next_keyframe = 0.0
        self._last_pts: int | None = None
        #: How far the video, and anything at all, was read.
        self._seen = 0.0
        self._reached = 0.0
        self._lost = 0
        self._whole = False
        self._late = False

    def read(self, deadline: float | None) -> None:
        """Take packets until the end, the window or the deadline."""
        packets = self._container.demux(self._chosen)
        while True:
            if deadline is not None and time.monotonic() >= deadline:
                self._late = True
                break
            try:
                packet = next(packets, None)
            except MemoryError:
                raise
            except FFmpegError:
                self._lost += 1
                break
            except IndexError:
                # PyAV, having delivered everything, stumbles over a stream that turned up late.
                packet = None
            if packet is None:
                self._whole = True
                break
            if packet.size and self._take(packet) > self._window + _INTERLEAVING_SECONDS:
                break
        self._flush()

    def signals(self) -> Signals:
        """What was measured."""
        if self._pictures is None:
            raise NotDescribable(
                "No picture could be decoded in the time allowed. Try again, and allow more."
                if self._late
                else "No picture of this video could be decoded: it is damaged or of unknown kind. "
                "Play it to see, and put a good copy in its place."
            )
        end = min(self._seen, self._window)
        claimed = self._claimed()
        duration = max(claimed, self._reached) if self._whole else claimed
        turned = self._rotation in (90, 270)
        width, height = self._size
        return Signals(
            duration_seconds=round(duration, 2) or None,
            window_seconds=round(end, 2),
            read_to_end=self._whole,
            reading=self._reading,
            width=height if turned else width,
            height=width if turned else height,
            rotation=self._rotation,
            shots=self._pictures.shots(end),
            black=self._pictures.black(end),
            frozen=self._pictures.frozen(end),
            activity=self._pictures.activity(),
            bars=self._pictures.bars(),
            sound=self._sounds.sound(end) if self._audio is not None else None,
            texts=read_texts(
                self._container.metadata,
                self._container.chapters(),
                subtitle_tracks=len(self._container.streams.subtitles),
                lines=self._lines,
            ),
            damage=self._damage(claimed),
        )

    def _damage(self, claimed: float) -> Damage | None:
        missing = claimed - self._reached if self._whole else 0.0
        if missing > _HEADER_SLACK_SECONDS:
            return Damage(lost_packets=self._lost, missing_seconds=round(missing, 2))
        return Damage(lost_packets=self._lost) if self._lost else None

    def _claimed(self) -> float:
        """How long the headers say that what is read here lasts; 0 if they do not."""
        lasting = [
            float((stream.start_time or 0) + stream.duration) * float(stream.time_base)
            for stream in (self._video, self._audio)
            if stream is not None and stream.duration and stream.time_base
        ]
        if self._video.duration and lasting:
            return max(lasting) - self._origin
        return float(self._container.duration or 0) / 1_000_000

    def _take(self, packet: Packet[Any]) -> float:
        """Measure what is in the packet, and say at which time it lies."""
        start, end = self._times(packet)
        if packet.stream != self._subtitles:
            self._reached = max(self._reached, end)
        if start >= self._window:
            return start
        if packet.stream == self._video:
            if packet.has_sidedata("encryption_info"):
                # Decoding it all the same would describe noise.
                raise NotDescribable(
                    "The video is encrypted (DRM), so nobody without its key can see it. "
                    "Put a copy without encryption in its place."
                )
            self._seen = max(self._seen, end)
            if self._wanted(packet, start):
                self._decode(packet)
        elif packet.stream in (self._audio, self._subtitles):
            self._decode(packet)
        return start

    def _times(self, packet: Packet[Any]) -> tuple[float, float]:
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is None or packet.time_base is None:
            return self._reached, self._reached
        start = float(stamp * packet.time_base) - self._origin
        if packet.duration:
            return start, start + float(packet.duration * packet.time_base)
        return start, start + (float(1 / _rate(self._video)) if packet.stream == self._video else 0)

    def _wanted(self, packet: Packet[Any], start: float) -> bool:
        if self._reading is Reading.EVERY_FRAME:
            return True
        if not packet.is_keyframe or start < self._next_keyframe:
            return False
        self._next_keyframe = start + _KEYFRAME_SPACING_SECONDS
        return True

    def _flush(self) -> None:
        """Ask the decoders for the pictures and sounds that they still hold back."""
        for stream in (self._video, self._audio):
            try:
                for frame in stream.decode(None) if stream is not None else ():
                    self._show(frame)
            except MemoryError:
                raise
            except FFmpegError:
                self._lost += 1

    def _decode(self, packet: Packet[Any]) -> None:
        try:
            for thing in packet.decode():
                if isinstance(thing, AssSubtitle):
                    self._line(packet, thing)
                else:
                    self._show(thing)
        except MemoryError:
            raise  # FFmpeg's is one of its errors, but says nothing of the packet
        except FFmpegError:
            self._lost += 1

    def _show(self, frame: object) -> None:
        if isinstance(frame, AudioFrame):
            self._sounds.hear(frame)
        elif isinstance(frame, VideoFrame):
            if frame.width * frame.height > MOST_PIXELS:
                self._lost += 1  # of a decoder that does not ask before
                return
            if frame.pts is None:
                frame.pts = 0 if self._last_pts is None else self._last_pts + _step(self._video)
            self._last_pts = frame.pts
            if self._pictures is None:
                if not all(self._size):
                    self._size = (frame.width, frame.height)
                self._rotation = -frame.rotation % 360
                self._pictures = PictureMeter(origin=self._origin, rotation=self._rotation)
            self._pictures.see(frame)

    def _line(self, packet: Packet[Any], subtitle: AssSubtitle) -> None:
        text = subtitle_text(subtitle.dialogue)
        if text and len(self._lines) < MOST_LINES:
            start, _ = self._times(packet)
            self._lines.append(SubtitleLine(start_seconds=round(max(start, 0.0), 2), text=text))


def _origin(container: InputContainer, stream: VideoStream) -> float:
    if stream.start_time is not None and stream.time_base is not None:
        return float(stream.start_time * stream.time_base)
    return float(container.start_time or 0) / 1_000_000


def _rate(stream: VideoStream) -> Fraction:
    """Pictures a second; 25 where nobody knows."""
    return stream.average_rate or stream.guessed_rate or Fraction(25)


def _reading(container: InputContainer, stream: VideoStream, window: float) -> Reading:
    claimed = float(container.duration or 0) / 1_000_000
    longest = claimed or container.size * 8 / _LOWEST_BITRATE
    pixels = stream.codec_context.width * stream.codec_context.height * _rate(stream)
    every_frame = pixels * min(longest, window) <= _EVERY_FRAME_PIXELS
    return Reading.EVERY_FRAME if every_frame else Reading.KEYFRAMES


def _step(stream: VideoStream) -> int:
    """One frame in the stream's time base, for frames that do not say when they are."""
    return max(round(1 / (_rate(stream) * (stream.time_base or Fraction(1, 1000)))), 1)
