"""What is written where: results to stdout, everything else to stderr, nothing that gives orders.

File names, tags, answers and messages come from strangers. They are shown as text: no markup is
read in them, and no control character and no sign that is not seen reaches a terminal.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import IO, Any

from rich.console import Console
from rich.text import Text

from catalog.visible import visible, visible_on_one_line

#: The exit code of a run that was told to stop.
INTERRUPTED = 130

#: Without a terminal nobody says how wide a line may be.
_PIPED_WIDTH = 100


def clean(text: str) -> str:
    """Make a stranger's text safe to show: what cannot be seen is spelled out."""
    return visible(text)


def one_line(text: str) -> str:
    """Make a stranger's text safe to show on one line."""
    return visible_on_one_line(text)


def said(text: str, style: str = "") -> Text:
    """Give a stranger's text as something to print, without reading any markup in it."""
    return Text(clean(text), style=style)


class _Results(Console):
    """Where results go. Whoever reads them may have read enough; Rich calls that a failure."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def output() -> Console:
    """Where results go."""
    return _console(sys.stdout, _Results)


def help_output() -> Console:
    """Where help goes, wrapped and coloured as whoever prints it likes."""
    return _Results()


def errors() -> Console:
    """Where everything else goes."""
    return _console(sys.stderr, Console)


def _console(file: IO[str], kind: type[Console]) -> Console:
    piped = not file.isatty() and "COLUMNS" not in os.environ
    return kind(
        file=file,
        markup=False,
        highlight=False,
        emoji=False,
        width=_PIPED_WIDTH if piped else None,
    )


def complain(sentence: str) -> None:
    """Say on stderr, in one line that is never wrapped, what went wrong and what to do."""
    sys.stdout.flush()
    sys.stderr.write(f"reelcat: {one_line(sentence)}\n")
    sys.stderr.flush()


def write_json(value: Mapping[str, Any]) -> None:
    """Write the one object that `--json` promises."""
    sys.stdout.write(json.dumps(value, ensure_ascii=True) + "\n")
    sys.stdout.flush()
