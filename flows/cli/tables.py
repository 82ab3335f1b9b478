"""The two shapes in which things are laid out: labelled facts, and rows under headings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.table import Table

from catalog.budget import Standing
from catalog.money import show
from flows.cli.terminal import said


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


def budget_lines(standings: Iterable[Standing]) -> list[tuple[str, str]]:
    """Word budgets as facts: what kind, and how it stands."""
    lines = []
    for one in standings:
        kind, _, name = one.scope.partition(":")
        limit = "no limit" if one.limit_micros is None else f"of {show(one.limit_micros)}"
        lines.append((kind, f"{show(one.committed_micros)} committed, {limit}  ({name})"))
    return lines
