"""How long commands that only look take, against importing SQLAlchemy alone.

Each is started in turns with the others, with a small catalog in SQLite; medians of 15.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from statistics import median

from tables import table

from catalog.schema import open_catalog

_TIMES = 15
_COMMANDS = ("status", "search harbour", "budget", "--help", "show harbour", "export")


def main() -> str:
    """Start everything many times and give the table."""
    reelcat = str(Path(sys.executable).with_name("reelcat"))
    commands = {
        "python -c 'import sqlalchemy'": [sys.executable, "-c", "import sqlalchemy"],
        **{f"reelcat {words}": [reelcat, *words.split()] for words in _COMMANDS},
    }
    with tempfile.TemporaryDirectory(prefix="reelcat-bench-") as place:
        url = f"sqlite:///{place}/catalog.db"
        with closing(open_catalog(url)):
            pass
        taken: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(_TIMES):
            for name, command in commands.items():
                taken[name].append(_seconds(command, place, url))
    base = median(taken["python -c 'import sqlalchemy'"])
    rows = [(name, 1000 * median(each), median(each) / base) for name, each in taken.items()]
    headings = ["command", "ms", "÷ import sqlalchemy"]
    return table(headings, rows) + f"\n\nLoad {os.getloadavg()[0]:.1f}."


def _seconds(command: list[str], folder: str, url: str) -> float:
    began = time.perf_counter()
    subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"REELCAT_DATABASE_URL": url},
        capture_output=True,
        check=False,
    )
    return time.perf_counter() - began
