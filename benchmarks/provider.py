"""A provider to measure against: the canned sandbox, in a process of its own."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from decimal import Decimal

from tasks.sandbox.options import TIERS, Mode, SandboxOptions
from tasks.sandbox.server import RunningSandbox, Where, running_sandbox


def canned(
    *,
    mean_seconds: float,
    sigma: float = 0.5,
    tier: str | None = None,
) -> AbstractAsyncContextManager[RunningSandbox]:
    """Answer every submission after a lognormal time; without a tier nothing is refused."""
    options = SandboxOptions(
        mode=Mode.CANNED,
        seed=7,
        latency_mean_seconds=mean_seconds,
        latency_sigma=sigma,
        tier=None if tier is None else TIERS[tier],
        balance_micros=10_000_000_000,
        canned_seconds=Decimal(10),
    )
    return running_sandbox(options, where=Where.PROCESS)
