"""`make bench`: run the benchmarks, print their tables, and note them in RESULTS.md.

    python benchmarks [NAME ...]

Each prints one table, whose ratios come from that one run.
"""

from __future__ import annotations

import importlib
import os
import platform
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

BENCHMARKS = (
    "small",
    "efficiency",
    "cpu",
    "polls",
    "ultra",
    "rescan",
    "probe",
    "queries",
    "growth",
    "startup",
    "workers",
    "keys",
)
_RESULTS = Path(__file__).with_name("RESULTS.md")
_INTRODUCTION = """# Results

Written by `make bench`; each section is the newest run of one benchmark. Trust the ratios: both
sides were measured in the same run on the same machine. The load is the machine's one-minute load
average, so anything above the number of cores means that others were working, too.
"""


def main(names: list[str]) -> int:
    """Run these benchmarks, or all of them; gives the exit code."""
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        print(f"There is no benchmark {', '.join(sorted(unknown))}; take {', '.join(BENCHMARKS)}.")
        return 2
    for name in names or BENCHMARKS:
        print(f"{name}: {_about(name)}\n", flush=True)
        result = str(importlib.import_module(name).main())
        print(result, "\n", flush=True)
        _note(name, result)
    return 0


def _about(name: str) -> str:
    text = importlib.import_module(name).__doc__ or ""
    return " ".join(text.split())


def _note(name: str, result: str) -> None:
    """Put a result in place of the last one of the same benchmark."""
    before = _RESULTS.read_text("utf-8") if _RESULTS.exists() else _INTRODUCTION
    sections = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", before, re.MULTILINE | re.DOTALL))
    sections[name] = f"\n{_about(name)}\n\n{result}\n\n{_circumstances()}\n\n"
    kept = "".join(f"## {one}\n{sections[one]}" for one in BENCHMARKS if one in sections)
    _RESULTS.write_text(f"{_INTRODUCTION}\n{kept}".rstrip() + "\n", "utf-8")


def _circumstances() -> str:
    now = datetime.now(UTC)
    return (
        f"*{now:%Y-%m-%d %H:%M} UTC · {os.cpu_count()} cores of {_processor()} · "
        f"Python {platform.python_version()} · {platform.system()}*"
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        found = re.search(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE)
        if found:
            return found[1].strip()
    return platform.machine()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
