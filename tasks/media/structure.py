"""Reads a container's outermost structure without FFmpeg.

FFmpeg believes a header that promises more than the file holds; the sizes written around it do not
lie. Reads a few headers and decides nothing: `verdict` does.
"""

from __future__ import annotations

from tasks.media import avi, matroska, mp4
from tasks.media.layout import Layout
from tasks.media.seekable import Seekable

#: Enough for any recording in one piece; a file in more pieces than this is left to FFmpeg.
MOST_PIECES = 4096
#: Where each look at a piece may be a request.
MOST_PIECES_REMOTE = 24


def read_layout(file: Seekable, size: int, *, head: bytes, most_pieces: int) -> Layout:
    """Read the outer structure of a seekable file whose first bytes are `head`.

    Looks at no more than `most_pieces` pieces and then knows less. Raises only what reading raises.
    """
    if head[4:8] in mp4.FIRST_BOXES:
        return mp4.read(file, size, most_pieces=most_pieces)
    if head.startswith(matroska.MAGIC):
        return matroska.read(file, size)
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return avi.read(file, size, most_pieces=most_pieces)
    return Layout()
