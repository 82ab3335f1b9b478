"""What a container's outermost structure can say of itself, whatever engine reads the file.

The record that `mp4`, `matroska` and `avi` fill in and `verdict` judges. Opens nothing.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


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
