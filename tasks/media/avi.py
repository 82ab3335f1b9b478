"""How long an AVI says it is: its RIFF chunks, one after the other."""

from __future__ import annotations

import struct

from tasks.media.layout import Family, Layout
from tasks.media.seekable import Seekable

#: What recorders write when they are stopped before they know.
UNKNOWN_SIZES = (0, 0xFFFFFFFF)


def read(file: Seekable, size: int, *, most_pieces: int) -> Layout:
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
