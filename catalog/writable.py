"""Whether a catalog can be written to, tried without changing anything."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import delete, false, insert, inspect, select, text, update
from sqlalchemy.orm import Session

from catalog.database import Catalog
from catalog.errors import CatalogReadOnly
from catalog.models import Base

#: Of PostgreSQL: what counts the ids of new rows is granted by itself.
_SEQUENCES_NOT_OURS = """
    SELECT c.relname FROM pg_class AS c
    JOIN pg_depend AS d ON d.objid = c.oid AND d.deptype = 'a'
    WHERE c.relkind = 'S' AND pg_table_is_visible(c.oid)
      AND CASE WHEN c.relkind = 'S' THEN NOT has_sequence_privilege(c.oid, 'USAGE') END
    ORDER BY c.relname LIMIT 1
"""

_MAY_CREATE = """
    SELECT has_schema_privilege(current_schema(), 'CREATE')
       AND current_setting('default_transaction_read_only') = 'off' AND NOT pg_is_in_recovery()
"""


def require_writable(catalog: Catalog) -> None:
    """See whether rows of every table could be added, changed and removed.

    Raises:
        CatalogError: with what to do, if they could not.
    """
    catalog.write(_try_all)


def require_makeable(catalog: Catalog) -> None:
    """See whether a catalog could be made where none is yet.

    Raises:
        CatalogReadOnly: with what to do, if it could not.
    """
    if catalog.dialect == "sqlite":
        folder = Path(catalog.engine.url.database or "").absolute().parent
        makeable = os.access(folder, os.W_OK | os.X_OK)
        reason = f"The folder {folder} cannot be written to; let this user write to it"
    else:
        with catalog.read() as session:
            makeable = bool(session.scalar(text(_MAY_CREATE)))
        reason = f"This user may make no tables in {catalog.shown_url}; grant CREATE on its schema"
    if not makeable:
        raise CatalogReadOnly(f"{reason}, or name another place in REELCAT_DATABASE_URL.")


def _try_all(session: Session) -> None:
    """Ask for changes of no rows; a database refuses those, too, to whom it refuses any."""
    there = set(inspect(session.connection()).get_table_names())
    for table in Base.metadata.sorted_tables:
        if table.name not in there:
            continue
        columns = [column.name for column in table.columns]
        nothing = select(*table.columns).where(false())
        session.execute(insert(table).from_select(columns, nothing, include_defaults=False))
        first = next(iter(table.columns))
        session.execute(update(table).where(false()).values({first.name: first}))
        session.execute(delete(table).where(false()))
    if session.get_bind().dialect.name == "postgresql":
        refused = session.scalar(text(_SEQUENCES_NOT_OURS))
        if refused is not None:
            session.execute(text("SELECT nextval(CAST(:name AS regclass))"), {"name": refused})
