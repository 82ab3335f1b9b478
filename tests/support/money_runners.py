"""Doors that hold runs up until something is so, for tests of what then happens."""

from __future__ import annotations

import asyncio

from flows.pipeline.runner import LocalRunner, Step

#: On a busy machine everything takes its time.
PATIENCE_SECONDS = 60


class Meeting(LocalRunner):
    """Lets nobody hold money before all have made their plans."""

    def __init__(self, everybody: asyncio.Barrier) -> None:
        super().__init__()
        self._everybody = everybody
        self._has_met = False

    async def batch(self, step, label, work):
        if step is Step.PREDICT and not self._has_met:
            self._has_met = True
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._everybody.wait()
        return await work()
