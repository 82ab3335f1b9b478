"""A container's outermost structure, read without FFmpeg: MP4, Matroska and AVI.

FFmpeg believes a header that promises more than the file holds; the sizes written around it tell.
Finds whether the index is there and whole, how long the file says it is, and how its picture is
turned. Sources: ISO 14496-12 (MP4, QuickTime, 3GP), RFC 9559 (Matroska, WebM), RIFF (AVI).
"""

from __future__ import annotations

import enum
import io
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from tasks.media.engine import Seekable


class Family(enum.StrEnum):
    """The containers whose structure is understood here."""

    MP4 = "MP4"
    MATROSKA = "Matroska"
    AVI = "AVI"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """Facts that hold whatever engine reads the file."""

    family: Family = Family.OTHER
    #: Bytes the file must have for its outer structure to be whole; None if it does not say.
    promised_bytes: int | None = None
    #: Whether a whole index (MP4: moov) is there; None where none is needed or not all was walked.
    index_whole: bool | None = None
    #: Written in fragments that each stand alone, so that a cut costs only the last one.
    fragmented: bool = False
    encrypted: bool = False
    #: Clockwise degrees of the first video track; None if the container does not say.
    rotation: int | None = None


#: What recorders write when they are stopped before they know.
UNKNOWN_SIZES = (0, 0xFFFFFFFF)


def read_avi(file: Seekable, size: int, *, most_pieces: int) -> Layout:
    """Read the sizes of the RIFF chunks. OpenDML files have one for each GiB or so."""
    offset = 0
    for _ in range(most_pieces):
        file.seek(offset)
        head = file.read(8)
        if len(head) < 8 or not head.startswith(b"RIFF"):
            break
        (length,) = struct.unpack("<I", head[4:8])
        if length in UNKNOWN_SIZES:
            return Layout(family=Family.AVI)
        offset += 8 + length + length % 2
        if offset >= size:
            break
    # The last chunk's padding byte is often left out.
    return Layout(family=Family.AVI, promised_bytes=offset - 1 if offset == size + 1 else offset)


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


def read_mp4(file: Seekable, size: int, *, most_pieces: int) -> Layout:
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
        rotation=_mp4_rotation(_content(file, header, 92)) if header else None,
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


def _mp4_rotation(track_header: bytes) -> int | None:
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


def read_matroska(file: Seekable, size: int) -> Layout:
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
                    return _matroska_rotation(entry), _found(entry, ENCODINGS, ENCODING, ENCRYPTION)
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


def _matroska_rotation(entry: bytes) -> int | None:
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


#: Enough for any recording in one piece; a file in more pieces than this is left to FFmpeg.
MOST_PIECES = 4096
#: Where each look at a piece may be a request.
MOST_PIECES_REMOTE = 24


def read_layout(file: Seekable, size: int, *, head: bytes, most_pieces: int) -> Layout:
    """Read the outer structure of a seekable file whose first bytes are `head`.

    Looks at no more than `most_pieces` pieces and then knows less. Raises only what reading raises.
    """
    if head[4:8] in FIRST_BOXES:
        return read_mp4(file, size, most_pieces=most_pieces)
    if head.startswith(MAGIC):
        return read_matroska(file, size)
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return read_avi(file, size, most_pieces=most_pieces)
    return Layout()
