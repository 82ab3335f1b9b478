"""What the audit counts as requests come in."""

from __future__ import annotations

from collections import Counter

from tasks.wavespeed.sandbox.predictions import Prediction


class Tally:
    """Counts of this process; they start at zero after a restart."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.polls = 0
        self.min_gap_ns: int | None = None
        self.key_leaks = 0

    def poll(self, prediction: Prediction | None, now_ns: int) -> None:
        """Note one poll, also of an id that nobody knows."""
        self.polls += 1
        if prediction is None:
            return
        prediction.polls += 1
        if prediction.last_poll_ns is not None:
            gap_ns = now_ns - prediction.last_poll_ns
            self.min_gap_ns = gap_ns if self.min_gap_ns is None else min(self.min_gap_ns, gap_ns)
        prediction.last_poll_ns = now_ns
