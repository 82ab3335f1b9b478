"""Which version of the tables a catalog has, and how it comes to the one this code needs.

A catalog that does not exist yet makes itself. An older one is upgraded only when asked
(`reelcat db upgrade`), a newer one is left alone.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from catalog import HEAD, migrations_folder
from catalog.database import BUSY_SECONDS, Catalog, connect
from catalog.database_errors import plainly
from catalog.errors import CatalogError, CatalogNotOurs, CatalogTooNew


def open_catalog(url: str) -> Catalog:
    """Open the catalog at `url`; make it if nothing is there.

    Raises:
        CatalogError: with a sentence that says what to do, if it cannot be used as it is.
    """
    catalog = connect(url)
    found = current(catalog)
    if found is None:
        upgrade(catalog)
    else:
        _check(catalog, found)
    return catalog


def open_existing(url: str) -> Catalog:
    """Open the catalog at `url` to read it; nothing is made or changed.

    Raises:
        CatalogError: with a sentence that says what to do, if there is none or it is not usable.
    """
    catalog = connect(url)
    found = None if _is_absent(catalog) else current(catalog)
    if found is None:
        raise CatalogError(
            f"There is no catalog at {catalog.shown_url} yet; `reelcat run FOLDER` makes one, "
            "REELCAT_DATABASE_URL names another."
        )
    _check(catalog, found)
    return catalog


def look(url: str) -> tuple[str, str | None]:
    """Give a catalog's address without its password, and its version, None if there is none.

    Nothing is made or changed.
    """
    catalog = connect(url)
    try:
        return catalog.shown_url, None if _is_absent(catalog) else current(catalog)
    finally:
        catalog.close()


def _is_absent(catalog: Catalog) -> bool:
    """Tell whether connecting would make an empty file."""
    path = catalog.engine.url.database
    if catalog.dialect != "sqlite" or not path or path == ":memory:":
        return False
    try:
        return not Path(path).exists()
    except OSError:  # its folder may not be looked into, which SQLite says better
        return False


def _check(catalog: Catalog, found: str) -> None:
    if found != HEAD:
        raise CatalogError(
            f"The catalog {catalog.shown_url} has version {found}, this reelcat needs {HEAD}; "
            "back it up, then run `reelcat db upgrade`."
        )


def current(catalog: Catalog) -> str | None:
    """Give the version of the catalog's tables; None if there are no tables at all.

    Raises:
        CatalogNotOurs: if the database belongs to another program.
        CatalogTooNew: if a newer reelcat wrote it.
    """
    with plainly(catalog.shown_url), catalog.engine.connect() as connection:
        return _current(connection, catalog.shown_url)


def _current(connection: Connection, shown_url: str) -> str | None:
    tables = set(inspect(connection).get_table_names())
    if not tables:
        return None
    if not {"alembic_version", "videos", "ledger_entries"} <= tables:
        raise CatalogNotOurs(
            f"{shown_url} is not a reelcat catalog; name another one in REELCAT_DATABASE_URL."
        )
    version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    if version > HEAD:
        raise CatalogTooNew(
            f"The catalog {shown_url} has version {version}, written by a newer reelcat than this "
            f"one, which knows {HEAD}; upgrade reelcat."
        )
    return str(version)


def upgrade(catalog: Catalog) -> str:
    """Bring the catalog to `HEAD`, whatever is there; two processes at once do it once."""
    with plainly(catalog.shown_url):
        if catalog.dialect == "sqlite":
            _keep_readers_going(catalog)
        with catalog.writing.begin() as connection:
            if _current(connection, catalog.shown_url) != HEAD:
                _migrate(connection)
    return HEAD


def _keep_readers_going(catalog: Catalog) -> None:
    """Switch SQLite to its write-ahead log, which it remembers in the file.

    While another process writes, SQLite refuses the switch at once, whatever the timeout of the
    connection; the other one is most likely making the same switch.
    """
    from tenacity import (  # noqa: PLC0415 - needed only where a catalog is made or upgraded
        Retrying,
        retry_if_exception,
        stop_after_delay,
        wait_random,
    )

    waiting = Retrying(
        retry=retry_if_exception(_is_locked),
        stop=stop_after_delay(BUSY_SECONDS),
        wait=wait_random(0.02, 0.2),
        reraise=True,
    )
    raw = catalog.engine.raw_connection()
    try:
        waiting(raw.execute, "PRAGMA journal_mode = WAL")
    finally:
        raw.close()


def _is_locked(error: BaseException) -> bool:
    return isinstance(error, sqlite3.OperationalError) and "locked" in str(error)


def _migrate(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 - takes longer than opening a catalog
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
