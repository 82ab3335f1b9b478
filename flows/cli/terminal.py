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
from flows.cli.streams import drop_output

#: The exit code of a run that was told to stop.
INTERRUPTED = 130

#: Without a terminal nobody says how wide a line may be.
_PIPED_WIDTH = 100

#: What says how large a screen is, and the least that is believed.
_SIZES = {"COLUMNS": 40, "LINES": 5}
_WIDEST = 1000
_DIGITS = 6


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


class _Messages(Console):
    """Where messages go. Nobody need read them; Rich would end the process for that."""

    def on_broken_pipe(self) -> None:
        pass


def help_output() -> Console:
    """Where help goes, wrapped and coloured as whoever prints it likes."""
    return _Results(_environ=_environment())


def errors() -> Console:
    """Where everything else goes."""
    return _console(sys.stderr, _Messages)


def _environment() -> dict[str, str]:
    """Give what Rich reads of the environment, without sizes that no screen has.

    A narrow one is taken for the narrowest on which lines can still be read.
    """
    known = {name: value for name, value in os.environ.items() if name not in _SIZES}
    for name, least in _SIZES.items():
        value = os.environ.get(name, "")
        if value.isascii() and value.isdigit() and int(value[:_DIGITS]) > 0:
            known[name] = str(min(max(int(value[:_DIGITS]), least), _WIDEST))
    return known


def _console(file: IO[str], kind: type[Console]) -> Console:
    environment = _environment()
    piped = not file.isatty() and "COLUMNS" not in environment
    return kind(
        file=file,
        markup=False,
        highlight=False,
        emoji=False,
        width=_PIPED_WIDTH if piped else None,
        _environ=environment,
    )


def complain(sentence: str) -> None:
    """Say on stderr, in one line that is never wrapped, what went wrong and what to do."""
    try:
        sys.stdout.flush()
    except OSError:  # nobody hears of the results either
        drop_output(sys.stdout)
    sys.stderr.write(f"reelcat: {one_line(sentence)}\n")
    sys.stderr.flush()


def write_json(value: Mapping[str, Any]) -> None:
    """Write the one object that `--json` promises."""
    sys.stdout.write(json.dumps(value, ensure_ascii=True) + "\n")
    sys.stdout.flush()
