"""The probing engine outside this process: a system's ffprobe, spoken to as ffmpeg-python does.

`ffmpeg.probe` of ffmpeg-python 0.2.0, the last release, cannot be given a time limit: its `timeout`
becomes an option of ffprobe. So its argument convention is kept and the child is run here, with a
limit that kills it. Only ever sees local files, and those as the descriptor of what was opened:
under its name something else may lie by now. It has the limits of the child that asks it, and knows
as little of the environment.
"""

from __future__ import annotations

import os
import subprocess
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, BinaryIO, cast

from tasks.foundation.untrusted_values import decimal_in
from tasks.media.binaries import version_of
from tasks.media.confinement import clean_environment
from tasks.media.engine import (
    FORMATS,
    MOST_PACKETS,
    EngineFailed,
    Media,
    Moments,
    NotMedia,
    Report,
    Stream,
    is_systems_fault,
)

if TYPE_CHECKING:
    from tasks.media.ffprobe_answer import FfprobeStream

#: What FFmpeg says of a bug of its own.
_BUG = -558323010
#: More is no turn of a picture; NaN is not less than it either.
_MOST_DEGREES = 3600


class Ffprobe:
    """Probing by an ffprobe binary. Each look starts a process."""

    def __init__(self, binary: str, *, timeout_seconds: float = 30) -> None:
        self.binary = binary
        self.timeout_seconds = timeout_seconds

    @cached_property
    def name(self) -> str:
        """For example `ffprobe 5.1.9-0+deb12u1`."""
        return f"ffprobe {version_of(self.binary) or 'of unknown version'}"

    def report(self, media: Media) -> Report:
        """Read the header; see `engines.Engine`."""
        from tasks.media.ffprobe_answer import read_answer  # noqa: PLC0415 - brings pydantic

        output = self._ask(media, of="json", show_format=None, show_streams=None, show_error=None)
        answer = read_answer(output)
        if answer.error is not None:
            if answer.error.code == _BUG or is_systems_fault(-answer.error.code):
                raise EngineFailed("ffprobe could not read the file.")
            raise NotMedia
        return Report(
            container=answer.format.format_name,
            duration_seconds=_decimal(answer.format.duration),
            start_seconds=_decimal(answer.format.start_time),
            streams=tuple(map(_stream, answer.streams)),
            tags=answer.format.tags,
        )

    def moments(self, media: Media, *, seek_to: Decimal | None) -> Moments | None:
        """Read packets to the end; see `engines.Engine`."""
        begin = f"{seek_to:f}" if seek_to is not None else ""
        output = self._ask(
            media,
            of="csv=print_section=0",
            show_entries="packet=pts_time,duration_time",
            read_intervals=f"{begin}%+#{MOST_PACKETS}",
        )
        begins: list[Decimal] = []
        ends: list[Decimal] = []
        for line in output.splitlines():
            pts, duration, *_ = [*line.decode("ascii", errors="replace").split(","), ""]
            moment = _decimal(pts)
            if moment is not None:
                begins.append(moment)
                ends.append(moment + (_decimal(duration) or 0))
        if not begins or len(begins) >= MOST_PACKETS:
            return None
        return Moments(first=min(begins), last=max(ends))

    def _ask(self, media: Media, **options: str | None) -> bytes:
        """Run ffprobe on a file and return what it wrote, whatever it thinks of the file."""
        # As the models of its answers: most files are in no doubt, and their child imports neither.
        from ffmpeg._utils import convert_kwargs_to_cmd_line_args  # noqa: PLC0415

        if media.path is None:
            raise EngineFailed("ffprobe is only asked about files on this machine.")
        arguments = convert_kwargs_to_cmd_line_args(
            {
                "v": "quiet",
                "format_whitelist": FORMATS,
                "protocol_whitelist": "file",
                "skip_frame": "nokey",
                **options,
            }
        )
        descriptor = cast("BinaryIO", media.file).fileno()
        os.lseek(descriptor, 0, os.SEEK_SET)  # some systems share the position with the child
        command = [self.binary, *arguments, "-i", f"file:/dev/fd/{descriptor}"]
        try:
            done = subprocess.run(  # noqa: S603 - nothing in it comes from the file
                command,
                env=clean_environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                pass_fds=(descriptor,),
                timeout=self.timeout_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise EngineFailed("ffprobe took too long and was stopped.") from error
        except OSError as error:
            raise EngineFailed("ffprobe could not be started.") from error
        if done.returncode < 0:
            raise EngineFailed("ffprobe crashed on this file.")
        return done.stdout


def _stream(stream: FfprobeStream) -> Stream:
    flags = stream.disposition
    return Stream(
        kind=stream.codec_type,
        codec=_codec(stream),
        width=stream.width or None,
        height=stream.height or None,
        fps=_rate(stream.avg_frame_rate) or _rate(stream.r_frame_rate),
        duration_seconds=_decimal(stream.duration),
        rotation=_rotation(stream.side_data_list),
        still=any(flags.get(f) for f in ("attached_pic", "timed_thumbnails", "still_image")),
        tags=stream.tags,
    )


def _codec(stream: FfprobeStream) -> str | None:
    """The codec's name, or the file's own code for one that this ffprobe does not know."""
    if stream.codec_name not in (None, "unknown"):
        return stream.codec_name
    tag = stream.codec_tag_string
    return tag if tag is not None and tag.isalnum() else None


def _rotation(side_data: list[dict[str, object]]) -> int | None:
    for entry in side_data:
        turned = entry.get("rotation")
        if isinstance(turned, int | float) and abs(turned) <= _MOST_DEGREES:
            return round(-turned / 90) * 90 % 360
    return None


def _rate(text: str) -> Decimal | None:
    top, _, bottom = text.partition("/")
    numerator, denominator = _decimal(top), _decimal(bottom)
    return numerator / denominator if numerator and denominator else None


def _decimal(text: str | None) -> Decimal | None:
    return decimal_in(text) if text else None
