"""Writes what the program says better than a person.

That is docs/cli.md, the prices in README.md, and what is measured in docs/json.md.

`python docs/generate.py` writes them; with `--check` it writes nothing, and names what is stale.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from decimal import Decimal
from pathlib import Path

from catalog.export import OF_VIDEO
from catalog.measures import MEASURES
from catalog.money import show
from catalog.pricing import MOLMO2_PRICES, quote
from flows.cli.app import COMMANDS, execute

ROOT = Path(__file__).parents[1]

#: Columns of a terminal, as wide as a page shows without scrolling.
WIDTH = 90

#: What is between these marks in README.md is written here.
BEGIN, END = "<!-- prices -->\n", "<!-- /prices -->"

LENGTHS = (
    ("up to 5 s", 5),
    ("10 s", 10),
    ("30 s", 30),
    ("1 minute", 60),
    ("2 minutes or more", 120),
)


def cli_page() -> str:
    """Give the page of every command's help."""
    calls = [
        [],
        *([name] for name in COMMANDS),
        *(["db", one] for one in ("current", "upgrade", "copy")),
    ]
    parts = [
        "# The command line\n\nWhat `--help` says, written here by `make docs`.\n",
        *(
            f"## {' '.join(['reelcat', *call])}\n\n```text\n{help_of(call)}\n```\n"
            for call in sorted(calls, key=lambda call: [*COMMANDS].index(call[0]) if call else -1)
        ),
    ]
    return "\n".join(parts)


def help_of(call: list[str]) -> str:
    """Give what a command says of itself."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        execute([*call, "--help"])
    return "\n".join(line.rstrip() for line in said.getvalue().strip().splitlines())


def with_prices(readme: str) -> str:
    """Give README.md with the prices of today's list."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    rows = []
    for name, seconds in LENGTHS:
        each = quote(Decimal(seconds), MOLMO2_PRICES) or 0
        rows.append(f"| {name} | {show(each)} | {show(2 * each)} | {show(2000 * each)} |\n")
    table = (
        "| length of a video | one task | the two default tasks | those for 1,000 such videos |\n"
        "|---|---|---|---|\n"
    )
    return before + BEGIN + table + "".join(rows) + END + after


#: In docs/json.md, rows that are written here: of an export those behind `uris[]`, and of `show`
#: those of `measured`.
EXPORTED = re.compile(r"(?<=\n)(\| `uris\[\]` [^\n]*\n)(?:\| `\w+` [^\n]*\n)*")
MEASURED = re.compile(r"(?<=\n)(\| `measured` [^\n]*\n)(?:\| `measured\.[^\n]*\n)*")


def with_measures(page: str) -> str:
    """Give docs/json.md with all that is measured of a video."""
    docs = {"size_bytes": "size"} | {one.name: one.measure.doc for one in MEASURES}
    exported = "".join(f"| `{key}` | {docs[key]} |\n" for key, _ in OF_VIDEO)
    measured = "".join(f"| `measured.{one.name}` | {docs[one.name]} |\n" for one in MEASURES)
    page = EXPORTED.sub(lambda row: row[1] + exported, page)
    return MEASURED.sub(lambda row: row[1] + measured, page)


def pages() -> dict[Path, str]:
    """Give every written page as it should be."""
    readme, json_page = ROOT / "README.md", ROOT / "docs" / "json.md"
    return {
        json_page: with_measures(json_page.read_text("utf-8")),
        ROOT / "docs" / "cli.md": cli_page(),
        readme: with_prices(readme.read_text("utf-8")),
    }


def main() -> int:
    """Write what is stale, or name it."""
    os.environ["COLUMNS"] = str(WIDTH)
    for name in ("FORCE_COLOR", "CLICOLOR_FORCE"):
        os.environ.pop(name, None)
    stale = {
        path: text
        for path, text in pages().items()
        if not path.exists() or path.read_text("utf-8") != text
    }
    if "--check" in sys.argv:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is stale; run `make docs`.")
        return 1 if stale else 0
    for path, text in stale.items():
        path.write_text(text, "utf-8")
        print(f"{path.relative_to(ROOT)} was written.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
