"""The breaker: stop submitting when the provider refuses again and again.

What is in flight is still collected. A refusal costs nothing, but a night of them helps nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from catalog.values import Accepted, RefusalKind, Refused, SubmitOutcome, Uncertain

#: In a row, without an acceptance between them.
MOST_REFUSALS = 5
_NOT_FOUND = 404
_TOO_MANY_REQUESTS = 429


@dataclass(kw_only=True, slots=True)
class Breaker:
    """Counts refusals of the account or the server that follow one another.

    Refusals of the server count once for all attempts that were under way together: a blip meets
    dozens of them in one moment, and the next attempt comes only after a pause. A refusal that the
    provider may not have written leaves its submission uncertain and its money held, so a single
    one is enough where it is about the account.
    """

    #: How many so far; each makes the next pause longer.
    in_a_row: int = 0
    #: Refusals for the pace alone that follow one another, without an acceptance of what began
    #: after the last of them; those that were under way together count once. They open nothing.
    too_fast: int = 0
    #: The refusal that opened the breaker; None while it is closed.
    opened_by: Refused | Uncertain | None = None
    _counted_at: datetime | None = None
    _too_fast_at: datetime | None = None

    def saw(self, outcome: SubmitOutcome, *, began: datetime, now: datetime) -> None:
        """Take note of what became of an attempt that began then."""
        if isinstance(outcome, Accepted):
            self.in_a_row = 0
        self._saw_pace(outcome, began, now)
        if not isinstance(outcome, Accepted) and counts(outcome):
            together = self._counted_at is not None and began < self._counted_at
            if together and outcome.kind is not RefusalKind.ACCOUNT:
                return
            self.in_a_row += 1
            self._counted_at = now
            enough = self.in_a_row >= MOST_REFUSALS or is_stop(outcome)
            if enough and self.opened_by is None:
                self.opened_by = outcome

    def _saw_pace(self, outcome: SubmitOutcome, began: datetime, now: datetime) -> None:
        together = self._too_fast_at is not None and began < self._too_fast_at
        if together:
            return
        if isinstance(outcome, Accepted):
            self.too_fast = 0
        elif is_too_fast(outcome):
            self.too_fast += 1
            self._too_fast_at = now


def is_too_fast(outcome: Refused | Uncertain) -> bool:
    """Tell whether the provider refused for the pace, and for nothing else."""
    return (
        isinstance(outcome, Refused)
        and outcome.kind is RefusalKind.PACE
        and outcome.status_code == _TOO_MANY_REQUESTS
    )


def counts(outcome: Refused | Uncertain) -> bool:
    """Tell whether a refusal is about the account or the server, not this video or the pace.

    One that the provider may not have written says nothing of the video, and each costs a hold.
    """
    if isinstance(outcome, Uncertain):
        return outcome.kind is not None
    if outcome.kind in {RefusalKind.ACCOUNT, RefusalKind.NOT_SENT}:
        return True
    return outcome.kind is RefusalKind.PACE and outcome.status_code in {400, 503}


def is_stop(outcome: Refused | Uncertain) -> bool:
    """Tell whether to stop at once: an unproven refusal of key, credit or permission.

    An unproven 404 is not one. Gateways answer it while they change, and it passes.
    """
    return (
        isinstance(outcome, Uncertain)
        and outcome.kind is RefusalKind.ACCOUNT
        and outcome.status_code != _NOT_FOUND
    )
