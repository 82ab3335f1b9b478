"""Draw the plots of docs/performance.md from the tables of RESULTS.md.

    python benchmarks/plots.py

Kept as SVG with its text as text and nothing that changes from one drawing to the next.
"""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt

_RESULTS = Path(__file__).with_name("RESULTS.md")
_PLOTS = Path(__file__).parent.parent / "docs" / "plots"


def main() -> None:
    """Draw whatever there are results of."""
    mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "reelcat", "font.size": 9}
    _PLOTS.mkdir(exist_ok=True)
    sections = dict(
        re.findall(
            r"^## (\S+)\n(.*?)(?=^## |\Z)", _RESULTS.read_text("utf-8"), re.MULTILINE | re.DOTALL
        )
    )
    for name, draw in (
        ("cpu", _cpu),
        ("polls", _polls),
        ("startup", _startup),
        ("growth", _growth),
        ("efficiency", _efficiency),
    ):
        if name in sections:
            figure = draw(_rows(sections[name]))
            figure.savefig(_PLOTS / f"{name}.svg", metadata={"Date": None}, bbox_inches="tight")
            plt.close(figure)


def _rows(section: str) -> list[list[str]]:
    """Give the cells of a section's first table, without its headings."""
    table = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    lines = table[0].splitlines()[2:] if table else []
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def _number(cell: str) -> float:
    return float(cell.replace(",", ""))


def _cpu(rows: list[list[str]]) -> plt.Figure:
    figure, axes = plt.subplots(figsize=(6, 2.2))
    axes.barh([row[0] for row in reversed(rows)], [_number(row[2]) for row in reversed(rows)])
    axes.set_xlabel("predictions per second of processor time")
    return figure


def _polls(rows: list[list[str]]) -> plt.Figure:
    figure, axes = plt.subplots(figsize=(6, 3))
    for label, marker, belongs in (
        ("reelcat", "o-", lambda name: name.startswith("reelcat")),
        ("at a fixed interval", "s--", lambda name: name.startswith("every")),
        ("exponential", "^", lambda name: name.startswith("from")),
    ):
        own = [row for row in rows if belongs(row[0])]
        lags, polls = [_number(row[2]) for row in own], [_number(row[1]) for row in own]
        axes.plot(lags, polls, marker, label=label)
    axes.set_xlabel("mean seconds for which an end goes unnoticed")
    axes.set_ylabel("polls per prediction")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    return figure


def _startup(rows: list[list[str]]) -> plt.Figure:
    figure, axes = plt.subplots(figsize=(6, 2.4))
    names = [row[0] for row in reversed(rows)]
    axes.barh(names, [_number(row[2]) for row in reversed(rows)], color="#4477aa")
    axes.axvline(1.5, color="#cc3311", linewidth=1)
    axes.set_xlabel("time, in times that of importing SQLAlchemy")
    return figure


def _efficiency(rows: list[list[str]]) -> plt.Figure:
    figure, axes = plt.subplots(figsize=(6, 1.8))
    axes.barh([row[0] for row in reversed(rows)], [_number(row[3]) for row in reversed(rows)])
    axes.axvline(1, color="#888888", linewidth=1)
    axes.set_xlabel("of the provider's own pace")
    return figure


def _growth(rows: list[list[str]]) -> plt.Figure:
    figure, (each, memory) = plt.subplots(1, 2, figsize=(7, 2.8))
    for what in dict.fromkeys(row[0] for row in rows):
        of = [row for row in rows if row[0] == what]
        sizes = [_number(row[1]) for row in of]
        each.plot(sizes, [_number(row[4]) for row in of], marker="o", label=what)
        memory.plot(sizes, [_number(row[5]) for row in of], marker="o", label=what)
    for axes, label in ((each, "CPU µs a video"), (memory, "peak MB")):
        axes.set_xscale("log")
        axes.set_xlabel("videos")
        axes.set_ylabel(label)
    each.set_yscale("log")
    memory.set_ylim(bottom=0)
    each.legend(frameon=False)
    figure.tight_layout()
    return figure


if __name__ == "__main__":
    main()
