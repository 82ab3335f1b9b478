"""Tables for a terminal that are Markdown too."""

from __future__ import annotations

from collections.abc import Sequence


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Lay out rows below headings; numbers are aligned right."""
    cells = [[_shown(cell) for cell in row] for row in rows]
    widths = [
        max(len(heading), *(len(row[column]) for row in cells))
        for column, heading in enumerate(headings)
    ]
    numeric = [
        all(isinstance(row[column], int | float) for row in rows) for column in range(len(headings))
    ]

    def line(parts: Sequence[str]) -> str:
        laid = [
            part.rjust(width) if right else part.ljust(width)
            for part, width, right in zip(parts, widths, numeric, strict=True)
        ]
        return "| " + " | ".join(laid) + " |"

    rule = [
        "-" * (width - 1) + (":" if right else "-")
        for width, right in zip(widths, numeric, strict=True)
    ]
    return "\n".join([line(headings), line(rule), *(line(row) for row in cells)])


def _shown(cell: object) -> str:
    if isinstance(cell, int):
        return f"{cell:,}"
    if isinstance(cell, float):
        return (
            f"{cell:,.0f}"
            if abs(cell) >= 1000
            else f"{cell:.3g}"
            if abs(cell) < 100
            else f"{cell:.0f}"
        )
    return str(cell)
