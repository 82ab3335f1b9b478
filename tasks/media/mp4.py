"""The boxes of MP4, QuickTime and 3GP files (ISO 14496-12), as far as trust needs them.

Finds whether the index (moov) is there and whole, how long the file says it is, how the first video
track is turned and whether it is encrypted. Damaged boxes end the walk; nothing is raised for them.
"""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from tasks.media.layout import Family, Layout
from tasks.media.seekable import Seekable

FIRST_BOXES = frozenset((b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp"))
#: Boxes that stand at the top. Cameras add others of their own.
TOP_BOXES = FIRST_BOXES | {
    *(b"moof", b"mfra", b"sidx", b"ssix", b"uuid", b"udta", b"meta", b"pdin", b"emsg", b"prft"),
}
ENCRYPTED_ENTRIES = (b"encv", b"drmi")
#: Up to here an index is read at once, larger ones header by header.
MOST_INDEX_BYTES = 1024 * 1024


class Box(NamedTuple):
    """One named stretch of the file: its content lies from `body` to `end`."""

    name: bytes
    body: int
    end: int


def read(file: Seekable, size: int, *, most_pieces: int) -> Layout:
    """Walk the top-level boxes, and the index if it is whole."""
    boxes = list(islice(_boxes(file, 0, size), most_pieces))
    # What reaches beyond the end without a name of its own is rubbish, not a promise.
    known = [box for box in boxes if box.name in TOP_BOXES or box.end <= size]
    moov = next((box for box in known if box.name == b"moov" and box.end <= size), None)
    track = _video_track(file, moov) if moov is not None else None
    walked = len(boxes) < most_pieces
    return Layout(
        family=Family.MP4,
        promised_bytes=known[-1].end if known else None,
        index_whole=True if moov is not None else False if walked else None,
        fragmented=any(box.name == b"moof" for box in known),
        encrypted=track is not None and track.encrypted,
        rotation=track.rotation if track is not None else None,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Track:
    rotation: int | None
    encrypted: bool


def _boxes(file: Seekable, start: int, end: int) -> Iterator[Box]:
    """The boxes from `start`; the last may claim to reach beyond `end`."""
    offset = start
    while offset + 8 <= end:
        file.seek(offset)
        head = file.read(16)
        if len(head) < 8:
            return
        length, name = struct.unpack(">I4s", head[:8])
        body = offset + 8
        if length == 1 and len(head) == 16:
            (length,) = struct.unpack(">Q", head[8:])
            body = offset + 16
        elif length == 0:
            length = end - offset
        if offset + length < body:
            return
        yield Box(name=name, body=body, end=offset + length)
        offset += length


def _video_track(file: Seekable, moov: Box) -> _Track | None:
    source, start, end = file, moov.body, moov.end
    if moov.end - moov.body <= MOST_INDEX_BYTES:
        file.seek(moov.body)
        source, start, end = io.BytesIO(file.read(moov.end - moov.body)), 0, moov.end - moov.body
    tracks = (box for box in _boxes(source, start, end) if box.name == b"trak")
    return next((track for box in tracks if (track := _read_track(source, box))), None)


def _read_track(file: Seekable, trak: Box) -> _Track | None:
    """What a track says, or None if it is not a video track."""
    handler = _inside(file, trak, b"mdia", b"hdlr")
    if handler is None or _content(file, handler, 12)[8:12] != b"vide":
        return None
    entries = _inside(file, trak, b"mdia", b"minf", b"stbl", b"stsd")
    header = _inside(file, trak, b"tkhd")
    return _Track(
        rotation=_rotation(_content(file, header, 92)) if header else None,
        encrypted=entries is not None and _content(file, entries, 16)[12:16] in ENCRYPTED_ENTRIES,
    )


def _inside(file: Seekable, box: Box, *path: bytes) -> Box | None:
    for name in path:
        found = next((b for b in _boxes(file, box.body, box.end) if b.name == name), None)
        if found is None or found.end > box.end:
            return None
        box = found
    return box


def _content(file: Seekable, box: Box, most: int) -> bytes:
    file.seek(box.body)
    return file.read(min(most, box.end - box.body))


def _rotation(track_header: bytes) -> int | None:
    """The clockwise quarter turns of a tkhd's matrix, in degrees; None if it is none."""
    matrix = 52 if track_header[:1] == b"\x01" else 40
    if len(track_header) < matrix + 8:
        return None
    a, b = struct.unpack(">ii", track_header[matrix : matrix + 8])
    if not a and not b:
        return None
    degrees = math.degrees(math.atan2(b, a))
    turns = round(degrees / 90)
    return turns * 90 % 360 if abs(degrees - turns * 90) < 1 else None
