"""Which predictions were paid for twice."""

from __future__ import annotations

from collections.abc import Callable

from tasks.wavespeed.sandbox.predictions import OPEN, Prediction, Status


class Duplicates:
    """Counts acceptances of what was already being worked on, or already answered.

    The same model, video, task and text, accepted again while an earlier one had not failed. An
    answer that expired unread may be bought again.
    """

    def __init__(self) -> None:
        self.ids: list[str] = []
        self._earlier: dict[tuple[str, str, str, str | None], list[Prediction]] = {}

    def note(self, prediction: Prediction, is_expired: Callable[[Prediction, int], bool]) -> None:
        """Compare an accepted prediction with all before it."""
        key = (prediction.model, prediction.identity, prediction.task, prediction.text)
        earlier = self._earlier.setdefault(key, [])
        for other in earlier:
            lost = not other.read and is_expired(other, prediction.created_ns)
            if (other.status in OPEN or other.status is Status.COMPLETED) and not lost:
                self.ids.append(prediction.id)
                break
        earlier.append(prediction)
