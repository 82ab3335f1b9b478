"""A real event loop in which hours pass in a moment, for policies that wait."""

from __future__ import annotations

import asyncio
import selectors


class _LeapingSelector(selectors.DefaultSelector):
    """Waits for nothing: the clock leaps to where the wait would have ended."""

    def __init__(self):
        super().__init__()
        self.now = 1000.0

    def select(self, timeout=None):
        # Time never stands still: the limiter rounds, and waits for its clock to pass a moment.
        self.now += max(timeout or 0.0, 1e-6)
        return super().select(0)


class _LeapingLoop(asyncio.SelectorEventLoop):
    """A real event loop in which an hour passes in a moment."""

    def __init__(self):
        self._leaping = _LeapingSelector()
        super().__init__(self._leaping)

    def time(self):
        return self._leaping.now


def in_no_time(coroutine):
    with asyncio.Runner(loop_factory=_LeapingLoop) as runner:
        return runner.run(coroutine)
