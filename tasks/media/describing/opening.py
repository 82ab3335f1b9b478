"""Opens a video for measuring and chooses its streams; every refusal is one sentence."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.stream import VideoStream

from tasks.media.describing.signals import NotDescribable
from tasks.media.engines import FORMATS, MOST_PIXELS

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
