"""Lines of a text that somebody else wrote, none of them longer than memory allows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

#: Characters of a line, and of all lines that one row of a .csv goes over.
MOST_CHARACTERS = 1024 * 1024


class LineTooLong(ValueError):
    """What comes is longer than any line that names a file; nothing behind it is read."""


class BoundedLines(Iterator[str]):
    """The lines of a text, as `csv.reader` takes them; call `begin_row` where a row begins."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._left = MOST_CHARACTERS

    def begin_row(self) -> None:
        """Allow as much again."""
        self._left = MOST_CHARACTERS

    def __next__(self) -> str:
        line = self._text.readline(self._left + 1)
        if not line:
            raise StopIteration
        self._left -= len(line)
        if self._left < 0:
            raise LineTooLong
        return line
