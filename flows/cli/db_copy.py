"""Copying a catalog, with a bar on a terminal while it takes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from catalog import runs, transfer
from catalog.database import connect
from catalog.runs import Liveness
from catalog.schema import open_existing
from catalog.transfer import Copy
from catalog.values import utc_now
from flows.cli.text import errors
from tasks.foundation.processes import host, living


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

        return transfer.copy(ours, theirs, living=_living, progress=show)


def _living(liveness: Sequence[Liveness]) -> Sequence[Liveness]:
    now, here, processes = utc_now(), host(), living()
    return [
        seen for seen in liveness if not runs.is_dead(seen, here=here, living=processes, now=now)
    ]
