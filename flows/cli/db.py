"""`reelcat db`: the version of the catalog's tables, and copying all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.cli.flags import Json

HELP = """Look at, upgrade and copy the catalog database.

A new catalog makes itself; an older one is upgraded only when asked.

Example:
    reelcat db current
    reelcat db upgrade
    reelcat db copy sqlite:///reelcat.db postgresql://reelcat@db.example/reelcat
"""

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog.runs import Liveness
    from catalog.transfer import Copy


def current() -> int:
    """Print the version of the catalog's tables.

    Example:
        reelcat db current
    """
    from catalog import HEAD
    from catalog.errors import CatalogError
    from catalog.schema import look
    from flows.cli.text import output
    from flows.settings import read_settings

    shown_url, found = look(read_settings().database_url)
    if found is None:
        message = f"There is no catalog at {shown_url} yet; `reelcat db upgrade` makes one."
        raise CatalogError(message)
    needs = "" if found == HEAD else f" (this reelcat needs {HEAD}: `reelcat db upgrade`)"
    output().print(f"{found}{needs}", soft_wrap=True)
    return 0


def upgrade() -> int:
    """Bring the catalog to the version that this reelcat needs.

    Does nothing if it is there already, makes the catalog if there is none. Back it up first.

    Example:
        cp reelcat.db reelcat.backup.db && reelcat db upgrade
    """
    from catalog import schema
    from catalog.database import connect
    from flows.cli.text import output
    from flows.settings import read_settings

    catalog = connect(read_settings().database_url)
    try:
        before = schema.current(catalog)
        after = schema.upgrade(catalog)
    finally:
        catalog.close()
    said = f"is at {after}" if before == after else f"went from {before or 'nothing'} to {after}"
    output().print(f"{catalog.shown_url} {said}.", soft_wrap=True)
    return 0


def copy(source: str, destination: str, /, *, json: Json = False) -> int:
    """Copy a whole catalog into an empty one: from SQLite to PostgreSQL, back, or to another file.

    Everything is copied, or nothing: rows, contents and sums of money are counted and compared on
    both sides before it is kept. The destination is made if it does not exist; one that holds
    anything is refused. So is a source on which a run is at work, and nothing can be written to the
    source meanwhile. Predictions that a dead run left are copied; the next run on the copy collects
    them, and nothing is paid twice.

    The source stays as it is. Set REELCAT_DATABASE_URL to the copy at once, everywhere: two
    catalogs in use do not know what the other one buys. A password is better kept in PGPASSFILE
    than in an address.

    Example:
        reelcat db copy sqlite:///reelcat.db postgresql://reelcat@db.example/reelcat
        reelcat db copy postgresql://reelcat@db.example/reelcat sqlite:///copy.db --json

    Args:
        source: Address of the catalog to copy, as in REELCAT_DATABASE_URL.
        destination: Address of the catalog to be made.
        json: Print one JSON object: source, destination, version, rows, tables [{table, rows,
            digest}], money {held_usd, charged_usd}, unfinished.
    """
    from flows.cli.text import output, write_json
    from flows.configuration.ownership import require_own_catalog

    for address in (source, destination):
        require_own_catalog(address, named_here=False)
    copied = _copied(source, destination)
    if json:
        write_json(_as_json(copied))
        return 0
    from catalog.money import show
    from flows.cli.text import columns, facts

    console = output()
    console.print(f"{copied.destination} holds all of {copied.source}.", soft_wrap=True)
    rows = [(one.table, f"{one.rows:,}") for one in copied.tables if one.rows]
    console.print(columns(("table", "rows"), rows, right=("rows",)))
    totals = copied.totals
    console.print(
        facts({"money": f"{show(totals.charged)} charged · {show(totals.held)} held, on both"})
    )
    console.print(
        "Set REELCAT_DATABASE_URL to the copy now, wherever reelcat runs: what the old catalog "
        "bought from now on would be paid again by the copy.",
        soft_wrap=True,
    )
    return 0


def _copied(source: str, destination: str) -> Copy:
    """Copy the catalog at one address to another, with a bar on a terminal while it takes."""
    from contextlib import closing

    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from catalog import transfer
    from catalog.database import connect
    from catalog.schema import open_existing
    from flows.cli.text import errors

    console = errors()
    bar = Progress(
        TextColumn("Copying {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with closing(open_existing(source)) as ours, closing(connect(destination)) as theirs, bar:
        task = bar.add_task("", total=None)

        def show(table: str, done: int, total: int) -> None:
            bar.update(task, description=table, completed=done, total=total)

        return transfer.copy(ours, theirs, living=_living, progress=show)


def _living(liveness: Sequence[Liveness]) -> Sequence[Liveness]:
    from catalog import runs
    from catalog.values import utc_now
    from tasks.foundation.processes import host, living

    now, here, processes = utc_now(), host(), living()
    return [
        seen for seen in liveness if not runs.is_dead(seen, here=here, living=processes, now=now)
    ]


def _as_json(copied: Copy) -> dict[str, object]:
    from catalog.money import dollars

    return {
        "source": copied.source,
        "destination": copied.destination,
        "version": copied.version,
        "rows": copied.rows,
        "tables": [
            {"table": one.table, "rows": one.rows, "digest": one.digest} for one in copied.tables
        ],
        "money": {
            "held_usd": str(dollars(copied.totals.held)),
            "charged_usd": str(dollars(copied.totals.charged)),
        },
        "unfinished": copied.unfinished,
    }


COMMANDS = (current, upgrade, copy)
