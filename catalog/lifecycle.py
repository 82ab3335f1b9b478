"""Which moves a prediction may make, and what each state means for money and uniqueness.

The one table: a move that is not in it raises. Python asks here what a state means; the tables'
partial indexes say the same in SQL, because a database cannot ask.
"""

from __future__ import annotations

from catalog.errors import IllegalMove
from catalog.values import PredictionStatus as Status

MOVES: dict[Status, frozenset[Status]] = {
    Status.HELD: frozenset({Status.SUBMITTING, Status.RELEASED}),
    Status.SUBMITTING: frozenset({Status.RUNNING, Status.UNCERTAIN, Status.RELEASED}),
    Status.UNCERTAIN: frozenset({Status.RUNNING, Status.RELEASED}),
    Status.RUNNING: frozenset({Status.COMPLETED, Status.FAILED, Status.EXPIRED}),
    Status.COMPLETED: frozenset(),
    Status.FAILED: frozenset(),
    Status.EXPIRED: frozenset(),
    # Who was taken for dead may have sent it, and the provider may have taken it after all.
    Status.RELEASED: frozenset({Status.UNCERTAIN, Status.RUNNING}),
}

#: A second prediction for the same analysis would pay twice while one is in these.
LIVE = frozenset(
    {Status.HELD, Status.SUBMITTING, Status.UNCERTAIN, Status.RUNNING, Status.COMPLETED}
)

#: The provider may be working on it, so it counts against the account's limit of predictions in
#: flight.
IN_FLIGHT = frozenset({Status.SUBMITTING, Status.RUNNING})

#: Ended at the provider; billing has the last word on what it cost.
ENDED = frozenset({Status.COMPLETED, Status.FAILED, Status.EXPIRED})


def check_move(before: Status, after: Status) -> None:
    """Raise `IllegalMove` unless the table has the move."""
    if after not in MOVES[before]:
        raise IllegalMove("prediction", before.value, after.value)


def is_to_make(before: Status, after: Status) -> bool:
    """Whether a move is still to be made: it was not made, and no other end came first.

    Raises:
        IllegalMove: if the table does not have the move.
    """
    if before is after or {before, after} <= ENDED:
        return False
    check_move(before, after)
    return True
