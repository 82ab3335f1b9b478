"""The elements of Matroska and WebM files (RFC 9559), as far as trust needs them.

Finds how long the file says it is, how the first video track is turned and whether it is encrypted.
Damaged elements end the walk; nothing is raised for them.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from tasks.media.layout import Family, Layout
from tasks.media.seekable import Seekable

MAGIC = bytes.fromhex("1a45dfa3")
SEGMENT = 0x18538067
CLUSTER = 0x1F43B675
TRACKS = 0x1654AE6B
TRACK_ENTRY = 0xAE
TRACK_TYPE = 0x83
VIDEO = 0xE0
PROJECTION = 0x7670
ROLL = 0x7675
ENCODINGS = 0x6D80
ENCODING = 0x6240
ENCRYPTION = 0x5035

VIDEO_TRACK = b"\x01"
#: Tracks are described in a few KiB; anything larger is not worth believing.
MOST_TRACK_BYTES = 1024 * 1024
#: Tracks stand among the first few elements of a segment.
MOST_ELEMENTS = 32


class _Element(NamedTuple):
    id: int
    body: int
    #: None if the writer did not know, as in live recordings.
    end: int | None


def read(file: Seekable, size: int) -> Layout:
    """Read the size of the segment and the description of its first video track."""
    first = islice(_elements(file, 0, size), MOST_ELEMENTS)
    segment = next((element for element in first if element.id == SEGMENT), None)
    if segment is None:
        return Layout(family=Family.MATROSKA)
    turned, encrypted = _first_video_track(file, segment, size)
    return Layout(
        family=Family.MATROSKA,
        promised_bytes=segment.end,
        encrypted=encrypted,
        rotation=turned,
    )


def _first_video_track(file: Seekable, segment: _Element, size: int) -> tuple[int | None, bool]:
    for count, element in enumerate(_elements(file, segment.body, size)):
        if element.id == CLUSTER or element.end is None or count >= MOST_ELEMENTS:
            break
        if element.id == TRACKS and element.end - element.body <= MOST_TRACK_BYTES:
            file.seek(element.body)
            tracks = file.read(element.end - element.body)
            for entry in _children(tracks, TRACK_ENTRY):
                if next(_children(entry, TRACK_TYPE), b"") == VIDEO_TRACK:
                    return _rotation(entry), _found(entry, ENCODINGS, ENCODING, ENCRYPTION)
            break
    return None, False


def _elements(file: Seekable, start: int, end: int) -> Iterator[_Element]:
    offset = start
    while offset < end:
        file.seek(offset)
        head = file.read(12)
        identity = _number(head, 0, keep_marker=True)
        length = _number(head, identity[1], keep_marker=False) if identity else None
        if identity is None or length is None:
            return
        body = offset + identity[1] + length[1]
        unknown = length[0] == (1 << 7 * length[1]) - 1
        yield _Element(id=identity[0], body=body, end=None if unknown else body + length[0])
        if unknown:
            return
        offset = body + length[0]


def _number(data: bytes, at: int, *, keep_marker: bool) -> tuple[int, int] | None:
    """A variable-length number and how many bytes it took; None if there is none."""
    if at >= len(data) or not data[at]:
        return None
    width = 9 - data[at].bit_length()
    if at + width > len(data):
        return None
    number = int.from_bytes(data[at : at + width], "big")
    return (number if keep_marker else number & ((1 << 7 * width) - 1)), width


def _children(data: bytes, wanted: int) -> Iterator[bytes]:
    for element in _elements(io.BytesIO(data), 0, len(data)):
        if element.id == wanted and element.end is not None:
            yield data[element.body : element.end]


def _found(data: bytes, *path: int) -> bool:
    if not path:
        return True
    return any(_found(child, *path[1:]) for child in _children(data, path[0]))


def _rotation(entry: bytes) -> int | None:
    """Clockwise degrees; the file counts the other way round."""
    for video in _children(entry, VIDEO):
        for projection in _children(video, PROJECTION):
            for roll in _children(projection, ROLL):
                if len(roll) in (4, 8):
                    (degrees,) = struct.unpack(">f" if len(roll) == 4 else ">d", roll)
                    return _quarter_turns(-degrees)
    return None


def _quarter_turns(degrees: float) -> int | None:
    if not abs(degrees) <= 360:
        return None
    turns = round(degrees / 90)
    return turns * 90 % 360 if abs(degrees - turns * 90) < 1 else None
