"""What runs inside a child of `pool`: inspects the batches it is handed, with its own copies.

Module state is the child's whole life: made once by `begin`, used by every batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from catalog.values import Inspection, Listing
from tasks.media.engines import Engine
from tasks.media.inspecting import InspectOptions, engines_for, inspect
from tasks.storage.stores import Stores

_look: Callable[[Listing], Inspection]
_threads: ThreadPoolExecutor | None


def begin(stores: Stores, options: InspectOptions, threads: int) -> None:
    """Prepare this process; called once, before anything else."""
    global _look, _threads  # noqa: PLW0603 - a process pool's children have nowhere else to keep it
    engines = engines_for(options)
    _look = partial(_inspect, stores, engines, options)
    _threads = ThreadPoolExecutor(threads) if threads > 1 else None


def inspect_batch(listings: Sequence[Listing]) -> list[Inspection]:
    """Inspect files and answer in their order."""
    if _threads is None:
        return [_look(listing) for listing in listings]
    return list(_threads.map(_look, listings))


def _inspect(
    stores: Stores, engines: Sequence[Engine], options: InspectOptions, listing: Listing
) -> Inspection:
    reader = stores.reader(listing.uri)
    return inspect(listing, reader=reader, engines=engines, whereabouts=options.whereabouts)
