"""What a run is handed by whoever starts it.

The runner divides it into batches, is asked before money is spent, and stops it. The context is
what all its steps share.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeVar

from catalog.planning import Plan
from flows.settings import Settings
from tasks.runtime.services import Services
from tasks.runtime.stats import RunStats

T = TypeVar("T")


class Step(StrEnum):
    """What a batch of work does; by this its times are compared and its number is limited."""

    DISCOVER = "discover"
    PROBE = "probe"
    PREDICT = "predict"
    COLLECT = "collect"
    SETTLE = "settle"


class Runner(Protocol):
    """How a run is seen and steered from outside."""

    async def batch(self, step: Step, label: str, work: Callable[[], Awaitable[T]]) -> T:
        """Do one batch of a step's work. The label says which to a person."""

    async def agree(self, plan: Plan, stats: RunStats) -> bool:
        """Show what is about to be spent; False means that nothing is to be."""

    async def call_others(self, run_id: str, sources: Sequence[str], stats: RunStats) -> None:
        """Ask others to share this run, which has listed these sources; they come or they do not.

        Whoever comes does `flows.pipeline.run.run` with `RunContext.shares` set to this run.
        """

    @property
    def stop_asked(self) -> asyncio.Event:
        """Set when nothing new is to be begun; never cleared."""


class LocalRunner:
    """No one watches, no one is asked."""

    def __init__(self) -> None:
        self._stop_asked = asyncio.Event()

    async def batch(self, step: Step, label: str, work: Callable[[], Awaitable[T]]) -> T:
        """Do it here and now."""
        return await work()

    async def agree(self, plan: Plan, stats: RunStats) -> bool:
        """Go."""
        return True

    async def call_others(self, run_id: str, sources: Sequence[str], stats: RunStats) -> None:
        """There are none."""

    def stop(self) -> None:
        """Begin nothing new from now on. To be called in the run's event loop."""
        self._stop_asked.set()

    @property
    def stop_asked(self) -> asyncio.Event:
        """Set by `stop`."""
        return self._stop_asked


def new_run_id() -> str:
    """Give an id that no other run has, in any catalog."""
    return str(uuid.uuid4())


@dataclass(frozen=True, kw_only=True, slots=True)
class RunContext:
    """One run, from its first step to its report; `stats` alone changes meanwhile."""

    settings: Settings
    services: Services
    runner: Runner
    stats: RunStats
    run_id: str = field(default_factory=new_run_id)
    #: The run that this one shares: its work, its budget, its end; None for a run of its own.
    shares: str | None = None
    flow_run_id: str | None = None

    @property
    def budget_run_id(self) -> str:
        """Whose budget pays: this run's, or that of the run which it shares."""
        return self.shares or self.run_id
