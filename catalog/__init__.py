"""What is true: rules, records and reads of the catalog.

Owns money, states, tables and queries. Opens no network connection, knows neither Prefect nor
FFmpeg, and imports nothing from `tasks` or `flows`.
"""

from __future__ import annotations

from pathlib import Path


def migrations_folder() -> Path:
    """Give the folder with the migrations: next to the packages, or inside an installed wheel."""
    in_source = Path(__file__).parent.parent / "migrations"
    return in_source if (in_source / "env.py").exists() else Path(__file__).parent / "_migrations"


#: The newest migration, which this code needs. Files are named `0005_what_it_does.py`.
HEAD = max(path.name for path in migrations_folder().glob("versions/[0-9]*.py")).partition("_")[0]
