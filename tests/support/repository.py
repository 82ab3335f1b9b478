"""The files of this repository, for tests that look at it as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("catalog", "tasks", "flows")

_HIDDEN_AND_OURS = {".ci", ".env.example", ".gitignore"}
_BUILT = {"__pycache__", "demo", "dist", "build"}


def files(*endings: str) -> Iterator[Path]:
    """Every file that a clone has, below no folder that is built here."""
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        hidden = any(part.startswith(".") and part not in _HIDDEN_AND_OURS for part in parts)
        if hidden or _BUILT & set(parts) or not path.is_file():
            continue
        if not endings or path.suffix in endings:
            yield path


def name_of(path: Path) -> str:
    """A file's path as it is written in pages and messages."""
    return path.relative_to(ROOT).as_posix()
