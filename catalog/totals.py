"""Money so far, and how the bill compares with what was quoted. Reads only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from catalog.snapshot import Row, Snapshot
from catalog.values import LedgerKind

_HELD = (LedgerKind.HOLD, LedgerKind.RELEASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Totals:
    """Money so far, in micro-dollars."""

    held: int
    #: Refunds taken off.
    charged: int
    refunded: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """A prediction whose bill is not its quote, in micro-dollars."""

    prediction_id: int
    provider_id: str | None
    quoted: int
    charged: int
    #: Whether a person took note of it.
    seen: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Quotes beside the bill, in micro-dollars, over what was settled and not refunded."""

    settled: int
    quoted: int
    charged: int
    differences: Sequence[Difference]

    @property
    def drift(self) -> int:
        """Bill less quotes; negative when less was billed."""
        return self.charged - self.quoted


_OF_RUN = """
    SELECT 'ledger.' || kind AS name, SUM(amount_micros) AS amount
    FROM ledger_entries JOIN predictions ON predictions.id = ledger_entries.prediction_id
    WHERE predictions.run_id = :run_id GROUP BY kind
"""


#: What is unfinished is few, and counted from its index.
_TALLIES = """
    SELECT name, amount FROM tallies
    UNION ALL
    SELECT 'predictions.' || status AS name, count(*) AS amount FROM predictions
    WHERE status = 'held' OR status = 'submitting' OR status = 'uncertain' OR status = 'running'
    GROUP BY status
"""


def tallies(snapshot: Snapshot) -> dict[str, int]:
    """Give every count and sum of the catalog, by name, from those that the database keeps."""
    found = _by_name(snapshot.rows(_TALLIES))
    others = sum(amount for name, amount in found.items() if name.startswith("analyses."))
    found["analyses.pending"] = found.pop("analyses", 0) - others
    return found


def totals(snapshot: Snapshot, *, run_id: str | None = None) -> Totals:
    """Sum the ledger: what is still held, what was charged less refunds, what was refunded."""
    if run_id is None:
        return totals_of(tallies(snapshot))
    return totals_of(_by_name(snapshot.rows(_OF_RUN, run_id=run_id)))


def totals_of(sums: Mapping[str, int]) -> Totals:
    """Read the ledger's totals out of sums by kind."""
    held = sum(sums.get(f"ledger.{kind}", 0) for kind in _HELD)
    everything = sum(amount for name, amount in sums.items() if name.startswith("ledger."))
    return Totals(
        held=held, charged=everything - held, refunded=-sums.get(f"ledger.{LedgerKind.REFUND}", 0)
    )


def _by_name(rows: Sequence[Row]) -> dict[str, int]:
    return {row["name"]: int(row["amount"]) for row in rows}


def compare(snapshot: Snapshot, *, limit: int) -> Comparison:
    """Hold the bill against the quotes; names the `limit` largest differences.

    A failed prediction that cost nothing in the end differs from its quote by nobody's mistake.
    """
    return compare_by(tallies(snapshot), snapshot, limit=limit)


def compare_by(sums: Mapping[str, int], snapshot: Snapshot, *, limit: int) -> Comparison:
    """Compare as `compare` does, with sums that were read already."""
    rows = snapshot.rows(
        """
        SELECT id, provider_id, quoted_micros, charged_micros, drift_seen_at IS NOT NULL AS seen
        FROM predictions
        WHERE settled_at IS NOT NULL AND charged_micros <> quoted_micros
            AND (status = 'completed' OR charged_micros <> 0)
        ORDER BY ABS(charged_micros - quoted_micros) DESC LIMIT :limit
        """,
        limit=limit,
    )
    return Comparison(
        settled=sums.get("bill.settled", 0),
        quoted=sums.get("bill.quoted", 0),
        charged=sums.get("bill.charged", 0),
        differences=[
            Difference(
                prediction_id=row["id"],
                provider_id=row["provider_id"],
                quoted=row["quoted_micros"],
                charged=row["charged_micros"] or 0,
                seen=bool(row["seen"]),
            )
            for row in rows
        ],
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownLine:
    """A line of the bill that cannot be counted, as a status shows it."""

    line: str
    provider_id: str | None
    reason: str
    #: Whether a person took note of it.
    seen: bool


def shown_lines(snapshot: Snapshot, *, limit: int) -> list[ShownLine]:
    """Give the lines that cannot be counted, those first that nobody took note of."""
    rows = snapshot.rows(
        """
        SELECT line, provider_id, reason, seen_at IS NOT NULL AS seen
        FROM unclear_bill_lines ORDER BY seen_at IS NOT NULL, id DESC LIMIT :limit
        """,
        limit=limit,
    )
    return [
        ShownLine(
            line=row["line"],
            provider_id=row["provider_id"] or None,
            reason=row["reason"],
            seen=bool(row["seen"]),
        )
        for row in rows
    ]
