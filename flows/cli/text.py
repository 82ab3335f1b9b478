"""Text for people: tables, numbers, times, and output without anything that gives orders.

Results go to stdout, everything else to stderr. File names, tags, answers and messages come from
strangers, so what cannot be seen in them is spelled out. Commands that are shown can be copied as
they stand.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table
from rich.text import Text

from catalog.budget_limits import BudgetUsage
from catalog.money import show
from catalog.visible import visible, visible_on_one_line
from flows.cli.output import drop_output

_NAME = "reelcat"


def called_as() -> str:
    """Write `reelcat` as the caller's shell finds it: by its name if PATH has it, else by path."""
    called = Path(sys.argv[0])
    found = shutil.which(_NAME)
    if called.name != _NAME or (found is not None and Path(found).samefile(called)):
        return _NAME
    below = called.absolute()
    here = Path.cwd()
    return shlex.quote(str(below.relative_to(here) if below.is_relative_to(here) else below))


def facts(rows: Mapping[str, str]) -> Table:
    """Lay out what is known, a label and a value a line."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in rows.items():
        table.add_row(f"  {label}", said(value))
    return table


def columns(
    headings: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str]
) -> Table:
    """Lay out rows under headings; those named in `right` hold numbers."""
    table = Table(box=None, pad_edge=False, padding=(0, 2), header_style="dim")
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(said(cell) for cell in row))
    return table


def budget_lines(usages: Iterable[BudgetUsage]) -> list[tuple[str, str]]:
    """Word budgets as facts: what kind, and how it stands."""
    lines = []
    for one in usages:
        kind, _, name = one.scope.partition(":")
        limit = "no limit" if one.limit_micros is None else f"of {show(one.limit_micros)}"
        lines.append((kind, f"{show(one.committed_micros)} committed, {limit}  ({name})"))
    return lines


def length(seconds: Decimal | None) -> str:
    """Write how long a video is.

    >>> length(Decimal("7.25")), length(Decimal("754")), length(Decimal("5025.9")), length(None)
    ('7.2 s', '12:34', '1:23:45', 'unknown')
    """
    if seconds is None:
        return "unknown"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def counted(count: int, one: str, many: str | None = None) -> str:
    """Write a count with its noun.

    >>> counted(1, "video"), counted(1200, "video"), counted(2, "analysis", "analyses")
    ('1 video', '1,200 videos', '2 analyses')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def when(at: datetime | None, zone: ZoneInfo) -> str:
    """Write a moment in the zone that budgets are counted in."""
    return "" if at is None else f"{at.astimezone(zone):%Y-%m-%d %H:%M %Z}"


def words(value: str) -> str:
    """Write an enum's value as words.

    >>> words("scene_description")
    'scene description'
    """
    return value.replace("_", " ")


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
