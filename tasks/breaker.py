"""The breaker: stop submitting when the provider refuses again and again.

What is in flight is still collected. A refusal costs nothing, but a night of them helps nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from catalog.values import Accepted, RefusalKind, Refused, SubmitOutcome

#: In a row, without an acceptance between them.
MOST_REFUSALS = 5


@dataclass(kw_only=True, slots=True)
class Breaker:
    """Counts refusals of the account or the server that follow one another.

    Refusals of the server count once for all attempts that were under way together: a blip meets
    dozens of them in one moment, and the next attempt comes only after a pause.
    """

    #: How many so far; each makes the next pause longer.
    in_a_row: int = 0
    #: The refusal that opened the breaker; None while it is closed.
    opened_by: Refused | None = None
    _counted_at: datetime | None = None

    def saw(self, outcome: SubmitOutcome, *, began: datetime, now: datetime) -> None:
        """Take note of what became of an attempt that began then."""
        if isinstance(outcome, Accepted):
            self.in_a_row = 0
        elif isinstance(outcome, Refused) and counts(outcome):
            together = self._counted_at is not None and began < self._counted_at
            if together and outcome.kind is not RefusalKind.ACCOUNT:
                return
            self.in_a_row += 1
            self._counted_at = now
            if self.in_a_row >= MOST_REFUSALS and self.opened_by is None:
                self.opened_by = outcome


def counts(refusal: Refused) -> bool:
    """Tell whether a refusal is about the account or the server, not this video or the pace."""
    if refusal.kind in {RefusalKind.ACCOUNT, RefusalKind.NOT_SENT}:
        return True
    return refusal.kind is RefusalKind.PACE and refusal.status_code in {400, 503}
