"""The probing engine inside this process: FFmpeg's libraries by way of PyAV.

Reads through a Python file object, so FFmpeg sees neither a path nor an address. A crash in native
code takes the process along: `pool` keeps that to one file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from fractions import Fraction
from functools import cached_property

import av
import av.error
import av.logging
from av.container import InputContainer
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from tasks.media.engine import (
    FORMATS,
    MOST_PACKETS,
    MOST_PIXELS,
    EngineFailed,
    Media,
    Moments,
    NotMedia,
    Report,
    Stream,
)

#: FFmpeg's read-ahead. Far away every read may be a request.
NEAR_BUFFER_BYTES = 32 * 1024
FAR_BUFFER_BYTES = 128 * 1024
#: Where the header says what there is to know, little of what lies behind it is to be read.
HEADER_BUFFER_BYTES = 64 * 1024

#: Pictures are rarely needed to measure them, and decoding is most of what opening a file costs.
FRUGAL = {"skip_frame": "all"}
#: No packets are looked at beyond those that it takes to know the codecs: a third less work.
INDEXED = {"analyzeduration": "1"}
#: The same durations for a fraction of the bytes; less than this loses streams of AVCHD files.
FAR = {"probesize": "524288"}
#: MP4 and Matroska say in their headers what there is to know.
FAR_WITH_HEADER = {"probesize": "65536"}
_MP4, _MATROSKA = b"ftyp", b"\x1a\x45\xdf\xa3"

STILL = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image

_MICROSECOND = Fraction(1, av.time_base)

#: What FFmpeg raises when the engine is at fault, not the file.
ENGINE_FAULTS = (
    av.error.BugError,
    av.error.ExitError,
    av.error.ExternalError,
    av.error.UnknownError,
    BlockingIOError,  # no thread was to be had
)


class PyAv:
    """Probing by PyAV. Safe to share between threads."""

    @cached_property
    def name(self) -> str:
        """For example `pyav 18.1.0 (libavformat 62.12.102)`."""
        version = ".".join(map(str, av.library_versions["libavformat"]))
        return f"pyav {av.__version__} (libavformat {version})"

    def report(self, media: Media) -> Report:
        """Read the header; see `engines.Engine`."""
        frugal = _report(media, FRUGAL | _options(media))
        if all(s.width and s.height and s.fps for s in frugal.streams if s.kind == "video"):
            return frugal
        return _report(media, {})

    def moments(self, media: Media, *, seek_to: Decimal | None) -> Moments | None:
        """Read packets to the end; see `engines.Engine`."""
        with _opened(media, FRUGAL) as container:
            if seek_to is not None:
                try:
                    container.seek(int(seek_to * av.time_base))
                except av.error.FFmpegError:
                    return None
            return _moments(container)


def _options(media: Media) -> dict[str, str]:
    if media.near:
        return INDEXED if media.indexed else {}
    return FAR_WITH_HEADER if _has_header(media) else FAR


def _buffer_bytes(media: Media) -> int:
    if media.near:
        return NEAR_BUFFER_BYTES
    return HEADER_BUFFER_BYTES if _has_header(media) else FAR_BUFFER_BYTES


def _has_header(media: Media) -> bool:
    media.file.seek(0)
    head = media.file.read(8)
    return head[4:] == _MP4 or head[:4] == _MATROSKA


def _report(media: Media, options: dict[str, str]) -> Report:
    with _opened(media, options) as container:
        return Report(
            container=container.format.name,
            duration_seconds=_seconds(container.duration, _MICROSECOND),
            start_seconds=_seconds(container.start_time, _MICROSECOND),
            streams=tuple(map(_stream, container.streams)),
            tags=dict(container.metadata),
        )


@contextmanager
def _opened(media: Media, options: dict[str, str]) -> Iterator[InputContainer]:
    """Open a file and tell the engine's faults from the file's."""
    buffer_bytes = _buffer_bytes(media)
    media.file.seek(0)
    try:
        with av.open(
            media.file,
            mode="r",
            metadata_errors="replace",
            buffer_size=buffer_bytes,
            options={"format_whitelist": FORMATS, "max_pixels": str(MOST_PIXELS), **options},
        ) as container:
            yield container
    except MemoryError:
        raise  # not EngineFailed: the whole process is at its limit
    except ENGINE_FAULTS as error:
        raise EngineFailed("FFmpeg's libraries failed on this file.") from error
    except (av.error.FFmpegError, ValueError, EOFError, OverflowError) as error:
        raise NotMedia from error


def _moments(container: InputContainer) -> Moments | None:
    first: Fraction | None = None
    last: Fraction | None = None
    try:
        for count, packet in enumerate(container.demux(), start=1):
            moment = packet.pts if packet.pts is not None else packet.dts
            if moment is None or packet.time_base is None or packet.is_corrupt:
                continue
            begin = moment * packet.time_base
            end = begin + (packet.duration or 0) * packet.time_base
            first = begin if first is None else min(first, begin)
            last = end if last is None else max(last, end)
            if count >= MOST_PACKETS:
                return None
    except MemoryError:
        raise
    except av.error.FFmpegError:
        pass  # a damaged end is where the readable part ends
    if first is None or last is None:
        return None
    return Moments(first=_decimal(first), last=_decimal(last))


def _stream(stream: av.stream.Stream) -> Stream:
    still = bool(stream.disposition & STILL)
    duration = _seconds(stream.duration, stream.time_base)
    # Without a decoder in the wheel there is no context, and asking it would crash the process.
    context = stream.codec_context
    if context is None or stream.type not in ("video", "audio"):
        return Stream(
            kind=stream.type or "unknown",
            still=still,
            duration_seconds=duration,
            tags=dict(stream.metadata),
        )
    picture = context if isinstance(context, VideoCodecContext) else None
    rate = (stream.average_rate or stream.base_rate) if isinstance(stream, VideoStream) else None
    return Stream(
        kind=stream.type,
        codec=context.codec.canonical_name,
        width=(picture.width or None) if picture else None,
        height=(picture.height or None) if picture else None,
        fps=_decimal(rate) if rate else None,
        duration_seconds=duration,
        still=still,
        tags=dict(stream.metadata),
    )


def _seconds(ticks: int | None, unit: Fraction | None) -> Decimal | None:
    if ticks is None or unit is None:
        return None
    return round(Decimal(ticks * unit.numerator) / unit.denominator, 6)


def _decimal(number: Fraction) -> Decimal:
    return round(Decimal(number.numerator) / number.denominator, 6)
