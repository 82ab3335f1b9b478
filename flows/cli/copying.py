"""Copying a catalog, with a bar on a terminal while it takes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from catalog import copying, runs
from catalog.clock import utc_now
from catalog.copying import Copy
from catalog.database import connect
from catalog.runs import Sighting
from catalog.schema import open_existing
from flows.cli.terminal import errors
from tasks.processes import host, living


def copy_catalog(source: str, destination: str) -> Copy:
    """Copy the catalog at one address to another.

    Raises:
        CatalogError: with what to do, if it cannot be copied; nothing was.
    """
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

        return copying.copy(ours, theirs, living=_living, progress=show)


def _living(sightings: Sequence[Sighting]) -> Sequence[Sighting]:
    now, here, processes = utc_now(), host(), living()
    return [
        seen for seen in sightings if not runs.is_dead(seen, here=here, living=processes, now=now)
    ]
