"""The small port that both probing engines pass through, and what goes through it.

An engine reads and reports; it judges nothing. `assemble` turns its report into a probe.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Protocol


class Seekable(Protocol):
    """A binary file that can be read anywhere. `read` gives less only at the end."""

    def read(self, size: int, /) -> bytes:
        """Return the next `size` bytes, or what is left."""

    def seek(self, offset: int, /) -> int:
        """Move to `offset` bytes from the start."""


#: The most packets read to find a duration: about five hours of picture and sound.
MOST_PACKETS = 1_000_000

#: Larger pictures take more memory to decode than a look may cost; 8K is 33 million. The header's
#: word is judged by it, and each picture is held to it by FFmpeg before it is decoded.
MOST_PIXELS = 64_000_000

#: Containers that hold one recording each. Playlists, image sequences and scripts are not among
#: them: those can name other files and addresses, which FFmpeg would then open.
FORMATS = ",".join(
    (
        *("mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm", "avi"),
        *("mpegts", "mpeg", "flv", "asf", "ogg", "mxf"),
    )
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Media:
    """A file as engines see it."""

    file: Seekable
    size: int
    #: Where it lies on this machine; None if it does not. Not to be opened again: something else
    #: may lie there by now. `file.fileno()` is what was opened.
    path: Path | None
    #: Whether a look at it costs next to nothing.
    near: bool
    #: Whether an index in it, whole and of all of it, says what there is to know of its streams.
    indexed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Stream:
    """One stream as the engine reports it. None means that it did not say."""

    #: `video`, `audio`, `subtitle`, `data` or what else the engine calls it.
    kind: str
    codec: str | None = None
    width: int | None = None
    height: int | None = None
    fps: Decimal | None = None
    duration_seconds: Decimal | None = None
    #: Clockwise degrees.
    rotation: int | None = None
    #: Cover art, thumbnails: a picture that belongs to the file, not its content.
    still: bool = False
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """Everything an engine read from the header."""

    container: str
    duration_seconds: Decimal | None
    #: The moment at which the recording begins; broadcast streams rarely begin at zero.
    start_seconds: Decimal | None
    streams: tuple[Stream, ...]
    tags: dict[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Moments:
    """The earliest and latest moments among the packets that were read, in seconds."""

    first: Decimal
    last: Decimal


#: Recorded as the engine where none was needed or none could speak.
NO_ENGINE = "none"


class NotMedia(Exception):
    """No demuxer makes sense of the file: the file's fault."""


class EngineFailed(Exception):
    """The engine crashed, hung or is broken: nothing is known about the file.

    Carries one sentence without paths.
    """


#: Errors of the system that a file's own bytes can cause: -1, invalid argument, file too large, out
#: of domain or range, not implemented, overflow, illegal sequence, not supported.
_OF_THE_BYTES = frozenset({1, 22, 27, 33, 34, 38, 75, 84, 95})
_MOST_ERRNO = 200


def is_systems_fault(errno: int) -> bool:
    """Whether an error number says that the file could not be read, whatever is in it.

    Numbers of FFmpeg's own lie far beyond those of the system.
    """
    return 0 < errno < _MOST_ERRNO and errno not in _OF_THE_BYTES


class Engine(Protocol):
    """Something that can read video files."""

    @property
    def name(self) -> str:
        """Name and version, as it is recorded with what the engine says."""

    def report(self, media: Media) -> Report:
        """Read the header.

        Raises:
            NotMedia: it is not a video file.
            EngineFailed: nothing is known about the file.
            OSError, tasks.storage.errors.StoreError: reading it failed.
        """

    def moments(self, media: Media, *, seek_to: Decimal | None) -> Moments | None:
        """Read packets to the end, from the start or from about `seek_to` seconds on.

        None: there are no packets with a time there, or too many. Raises as `report` does.
        """
