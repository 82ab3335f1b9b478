"""What a child process does that decodes files, and what it is handed of each.

It gets no credentials. Where a file lies elsewhere it gets a link, if the store gives one.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeAlias

from catalog.values import Inspection, Listing
from tasks.media.confinement import OUT_OF_MEMORY, limit_processor_time, limit_resources
from tasks.media.engine import Engine
from tasks.media.inspect import InspectOptions, engines_for, inspect, unread
from tasks.storage.errors import StoreError
from tasks.storage.registry import Stores
from tasks.storage.store import Grant

#: A file to look at, and what opens it.
Look: TypeAlias = tuple[Listing, Grant | None]


def looks_at(stores: Stores, listings: Sequence[Listing]) -> list[Look | Inspection]:
    """Grant each file; where that is refused, that is all that will be known of it."""
    return [_look_at(stores, listing) for listing in listings]


def _look_at(stores: Stores, listing: Listing) -> Look | Inspection:
    try:
        return listing, stores.grant(listing)
    except StoreError as error:
        return unread(listing, error)


#: Of mallopt(3), as glibc numbers them; it takes no larger threshold.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 32 * 1024 * 1024

_look: Callable[[Look], Inspection]
_threads: ThreadPoolExecutor | None


def begin(
    stores: Stores, options: InspectOptions, threads: int, proxies: Mapping[str, str]
) -> None:
    """Prepare this process; called once, before anything else."""
    global _look, _threads  # noqa: PLW0603 - a process pool's children have nowhere else to keep it
    limit_resources()
    os.environ.update(proxies)
    os.nice(5)  # whoever waits for the children answers everybody else meanwhile
    _keep_memory()
    engines = engines_for(options)
    _look = partial(_inspect, stores, engines, options)
    _threads = ThreadPoolExecutor(threads) if threads > 1 else None


def _keep_memory() -> None:
    """Let the C library keep what is given back to it, as far as it is one that can be told.

    FFmpeg takes large buffers for each file. By default they go back to the system and come anew,
    page by page, which takes up to half as long as the looks.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)


def inspect_batch(looks: Sequence[Look], seconds: float) -> list[Inspection]:
    """Inspect files within so many seconds of processor time, and answer in their order."""
    limit_processor_time(seconds)
    try:
        if _threads is None:
            return [_look(look) for look in looks]
        return list(_threads.map(_look, looks))
    except MemoryError:
        # Whose memory ran out is not known where several files are looked at: each again, alone.
        os._exit(OUT_OF_MEMORY)


def _inspect(
    stores: Stores, engines: Sequence[Engine], options: InspectOptions, look: Look
) -> Inspection:
    listing, grant = look
    reader = stores.opener(listing.uri, grant)
    return inspect(listing, reader=reader, engines=engines, whereabouts=options.whereabouts)
