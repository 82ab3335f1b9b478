"""Rows for a catalog of any version: made from the tables that are there, not from the models.

A migration is tried on the rows that its forerunner kept, whose tables no code here knows any more.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

#: What columns of these names may hold; whatever else they held would be no row of ours.
_WORDS = {
    "kind": {"sources": "folder", "ledger_entries": "hold"},
    "status": {"analyses": "completed", "predictions": "completed"},
    "probe_status": {"locations": "ok", "videos": "ok"},
    "duration_source": {"videos": "header"},
    "outcome": {"runs": "completed"},
    "task": {"analyses": "summary"},
}

BEGAN = datetime(2026, 11, 23, 12, 0)  # noqa: DTZ001 - as SQLite keeps it


def tables_of(connection: Connection) -> list[sa.Table]:
    """Give the catalog's tables as they are now, those that others refer to first."""
    found = sa.MetaData()
    found.reflect(connection, only=lambda name, _: not name.startswith(("search_index", "tallies")))
    return [table for table in found.sorted_tables if table.name != "alembic_version"]


def fill(connection: Connection, rows: int) -> None:
    """Put so many rows into every table."""
    for table in tables_of(connection):
        made = [
            {
                column.name: _value(table.name, column, number)
                for column in table.columns
                if column.computed is None
            }
            for number in range(1, rows + 1)
        ]
        connection.execute(table.insert(), made)


def kept(connection: Connection) -> dict[str, tuple[list[str], list[tuple[Any, ...]]]]:
    """Give what each table keeps: the names of its columns, and its rows."""
    return {
        table.name: (
            [column.name for column in table.columns],
            sorted((tuple(row) for row in connection.execute(sa.select(table))), key=repr),
        )
        for table in tables_of(connection)
    }


def lost(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Name the tables whose rows changed in the columns that they had before and still have."""
    return [
        name
        for name, (columns, _) in before.items()
        if name in after
        for common in [[one for one in columns if one in after[name][0]]]
        if _only(before[name], common) != _only(after[name], common)
    ]


def _only(table: tuple[list[str], list[tuple[Any, ...]]], columns: list[str]) -> list[Any]:
    names, rows = table
    places = [names.index(column) for column in columns]
    return sorted((tuple(row[place] for place in places) for row in rows), key=repr)


def _value(table: str, column: sa.Column[Any], number: int) -> Any:
    if word := _WORDS.get(column.name, {}).get(table):
        return word
    told = f"{table} {column.name} {number}"
    if column.foreign_keys:
        (key,) = column.foreign_keys
        return _value(key.column.table.name, key.column, number)
    return _of_type(column.type, told, number)


def _of_type(kind: sa.types.TypeEngine[Any], told: str, number: int) -> Any:
    match kind:
        case sa.Boolean():
            return True
        case sa.JSON():
            return {"told": told}
        case sa.DateTime():
            return BEGAN + timedelta(minutes=number)
        case sa.Integer():
            return number
        case sa.String(length=length) if length is not None and length < len(told):
            return hashlib.sha256(told.encode()).hexdigest()[:length]
        case _:
            return told
