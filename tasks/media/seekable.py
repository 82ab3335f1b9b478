"""The little that reading a video asks of a file object."""

from __future__ import annotations

from typing import Protocol


class Seekable(Protocol):
    """A binary file that can be read anywhere. `read` gives less only at the end."""

    def read(self, size: int, /) -> bytes:
        """Return the next `size` bytes, or what is left."""

    def seek(self, offset: int, /) -> int:
        """Move to `offset` bytes from the start."""
