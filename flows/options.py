"""What one run is asked to do, whichever door it came through."""

from __future__ import annotations

from dataclasses import dataclass, field

from catalog.values import DEFAULT_TASKS, Order, Task


@dataclass(frozen=True, kw_only=True, slots=True)
class RunOptions:
    """One run, in plain values."""

    sources: tuple[str, ...]
    tasks: tuple[Task, ...] = DEFAULT_TASKS
    #: Empty for none.
    instructions: str = ""
    #: The run's own limit in micro-dollars; None for none.
    budget_micros: int | None = None
    #: `wavespeed`, `offline`, or None to let the settings decide.
    provider: str | None = None
    order: Order = Order.NEWEST
    #: At most this many videos are described; None for all.
    limit: int | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    #: Predictions in flight at once; None for what the tier allows.
    concurrency: int | None = None
    tier: str | None = None
    retry_failed: bool = False
    #: Follow links that lead out of a source, where the settings do not do so already.
    follow_links: bool = False
    #: How many workers share the run, this one among them.
    workers: int = 1
    #: The run that this one shares: its work, its budget, its end; None for a run of its own.
    shares: str | None = field(default=None, repr=False)
    flow_run_id: str | None = field(default=None, repr=False)
