"""When predictions start and end, as a queue with a limited number of slots.

Nothing ticks: whoever looks says what time it is, and all that was due by then happens, in order.
A prediction ends when its latency is over and its work is done, whichever is later.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable

from tasks.wavespeed.sandbox.fates import ENDLESS
from tasks.wavespeed.sandbox.faults import Fault
from tasks.wavespeed.sandbox.predictions import Prediction, Status


class Lifecycle:
    """Starts and ends predictions; over the slots they wait as `created`."""

    def __init__(self, *, slots: int | None, on_end: Callable[[Prediction, int], None]) -> None:
        self._slots = slots
        self._on_end = on_end
        self._waiting: deque[Prediction] = deque()
        self._running: list[tuple[int, str, Prediction]] = []
        #: Due by the schedule, but still being worked on.
        self._overdue: dict[str, Prediction] = {}
        self._occupied = 0

    def admit(self, prediction: Prediction, now_ns: int) -> None:
        """Take an accepted prediction in; it starts at once if a slot is free."""
        if prediction.fate is Fault.TASK_NEVER_STARTS:
            return
        if self._slots is None or self._occupied < self._slots:
            self._start(prediction, now_ns)
        else:
            self._waiting.append(prediction)

    def turn(self, by_ns: int) -> None:
        """Go on by a clock that was turned."""
        self._running = [(ends_ns + by_ns, id_, one) for ends_ns, id_, one in self._running]

    def advance(self, now_ns: int) -> None:
        """Let everything happen that was due by now."""
        while self._running and self._running[0][0] <= now_ns:
            ends_ns, _, prediction = heapq.heappop(self._running)
            if prediction.result is not None:
                self._finish(prediction, ends_ns)
            else:
                self._overdue[prediction.id] = prediction

    def work_done(self, prediction: Prediction, now_ns: int) -> None:
        """Say that a prediction's `result` is there; it ends now if its latency is over."""
        self.advance(now_ns)
        if self._overdue.pop(prediction.id, None) is not None:
            self._finish(prediction, now_ns)

    def _start(self, prediction: Prediction, at_ns: int) -> None:
        self._occupied += 1
        prediction.started_ns = at_ns
        prediction.status = Status.PROCESSING
        if prediction.fate not in ENDLESS:
            entry = (at_ns + prediction.latency_ns, prediction.id, prediction)
            heapq.heappush(self._running, entry)

    def _finish(self, prediction: Prediction, at_ns: int) -> None:
        self._occupied -= 1
        self._on_end(prediction, at_ns)
        if self._waiting:
            self._start(self._waiting.popleft(), at_ns)
