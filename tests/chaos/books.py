"""Three books side by side when all is quiet: the sandbox's, the ledger and budgets, the catalog.

Reads the catalog with SQL of its own, so that a mistake in the product's queries cannot hide
itself.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from chaos.values import Script

from tasks.sandbox.faults import Fault

#: Completed at the provider without anything that could be kept.
_EMPTY = {
    Fault.OUTPUT_EMPTY_LIST,
    Fault.OUTPUT_NULL,
    Fault.OUTPUT_EMPTY_TEXT,
    Fault.OUTPUT_WHITESPACE,
}
#: The text that was kept need not name the video.
_SPOILED = {Fault.OUTPUT_CUT_JSON, Fault.OUTPUT_REFUSAL}

_LIVE = {"held", "submitting", "uncertain", "running", "completed"}

_PREDICTIONS = """
SELECT p.id, p.status, p.provider_id, p.quoted_micros AS quoted, p.charged_micros AS charged,
       p.settled_at, p.submitted_at, a.id AS analysis_id, a.task, a.instructions,
       a.status AS analysis_status, a.text, a.video_id,
       (SELECT COALESCE(SUM(l.amount_micros), 0) FROM ledger_entries l
         WHERE l.prediction_id = p.id) AS booked
  FROM predictions p JOIN analyses a ON a.id = p.analysis_id
 ORDER BY p.id
"""

_SUMS = """
SELECT {scope} AS scope, SUM(l.amount_micros) AS booked
  FROM ledger_entries l JOIN predictions p ON p.id = l.prediction_id GROUP BY 1
"""
_SCOPES = ("'run:' || p.run_id", "p.budget_day", "p.budget_month")


@dataclass(kw_only=True)
class Findings:
    """What the books say of one history. Money is micro-dollars; all but the first four are 0."""

    accepted: int = 0
    completed: int = 0
    #: Named and held, where the provider's list cannot tell what became of them.
    uncertain: int = 0
    #: Ended unread because nobody ran for a week.
    forgotten: int = 0
    #: Booked at their quotes for answers that the bill does not show: an answer is never free.
    unbilled: int = 0

    duplicates: int = 0
    lost_results: int = 0
    wrong_answers: int = 0
    disagreement: int = 0
    #: Uncertain although the list could tell, or never looked at again.
    unresolved: int = 0
    key_leaks: int = 0
    said: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class Books:
    """The books of one history, open at the same time."""

    script: Script
    audit: dict[str, Any]
    rows: list[dict[str, Any]]
    predictions: list[sqlite3.Row]
    #: What the budgets say that the ledger does not, by scope.
    unbalanced: dict[str, int]
    #: Names of each video at the sandbox.
    names: dict[int, set[str]]
    #: A week in which nobody ran began at these instants of the provider's clock.
    weeks: list[datetime]
    #: Predictions with greater ids were bought at the end, when all went well.
    last_of_before: int
    found: Findings = field(default_factory=Findings)

    def compare(self) -> Findings:
        """Hold each book against the others."""
        found = self.found
        found.accepted = self.audit["accepted"]
        found.completed = self.audit["completed"]
        again = self._paid_twice()
        found.duplicates = len(again)
        found.key_leaks = self.audit["key_leaks"]
        by_id = {one["provider_id"]: one for one in self.predictions if one["provider_id"]}
        if found.duplicates:
            found.said.append(f"paid twice: {again}")
        unclaimed = self._unclaimed()
        for row in self.rows:
            prediction = by_id.get(row["id"])
            if prediction is None:
                self._held_for(row, unclaimed)
            else:
                self._same(row, prediction)
        charged = {row["id"]: row["charged_micros"] for row in self.rows}
        for one in self.predictions:
            self._booked(one, charged)
        for scope, micros in self.unbalanced.items():
            self._differ(micros, f"{scope} is {micros} off its ledger")
        self._one_live_each()
        return found

    def _unclaimed(self) -> list[sqlite3.Row]:
        uncertain = [one for one in self.predictions if one["status"] == "uncertain"]
        self.found.uncertain = len(uncertain)
        for one in uncertain:
            if self._could_be_told(one):
                self.found.unresolved += 1
                self.found.said.append(f"prediction {one['id']} is uncertain for no reason")
        return uncertain

    def _could_be_told(self, one: sqlite3.Row) -> bool:
        """Whether the list is evidence: it echoes inputs, and shows what was accepted later."""
        if not self.script.sandbox.include_inputs or one["id"] > self.last_of_before:
            return False
        submitted = _time(one["submitted_at"])
        if any(week + timedelta(days=6) > submitted for week in self.weeks):
            return False  # older than the list
        later = (other for other in self.predictions if other["id"] > self.last_of_before)
        return any(other["provider_id"] for other in later)

    def _held_for(self, row: dict[str, Any], unclaimed: list[sqlite3.Row]) -> None:
        """An acceptance that nobody learned of: money must still be held for it."""
        for one in unclaimed:
            if one["task"] == row["task"] and self._is_of(row, one):
                unclaimed.remove(one)
                if one["booked"] < min(row["charged_micros"], one["quoted"]):
                    self._differ(row["charged_micros"], f"nothing is held for {row['id']}")
                return
        self.found.lost_results += row["status"] == "completed"
        self._differ(row["charged_micros"], f"{row['id']} is on the bill and in no book of ours")

    def _same(self, row: dict[str, Any], one: sqlite3.Row) -> None:
        """An acceptance that the catalog knows: the same task and video, and its answer kept."""
        found = self.found
        if row["task"] != one["task"] or (row["text"] or "") != one["instructions"]:
            found.wrong_answers += 1
            found.said.append(f"{row['id']} is taken for another analysis")
        elif not self._is_of(row, one):
            found.wrong_answers += 1
            found.said.append(f"{row['id']} is taken for another video")
        if row["status"] != "completed" or row["fate"] in _EMPTY:
            return
        if one["status"] != "completed":
            if row["expired"] and self._slept_through(row):
                found.forgotten += 1
                return
            found.lost_results += 1
            found.said.append(f"{row['id']} was answered, prediction {one['id']} {one['status']}")
            return
        expected = f"A canned {row['task']} of {row['video']}"
        if not one["text"] or (row["fate"] not in _SPOILED and expected not in one["text"]):
            found.wrong_answers += 1
            found.said.append(f"prediction {one['id']} holds an answer that is not its own")

    def _is_of(self, row: dict[str, Any], one: sqlite3.Row) -> bool:
        # What could not be fetched is known by the address of its upload only.
        return row["video"] in self.names[one["video_id"]] or "/storage/media/" in row["video"]

    def _slept_through(self, row: dict[str, Any]) -> bool:
        made = _time(row["created_at"]) - timedelta(seconds=self.script.skew)
        return any(made <= week + self._doubt() for week in self.weeks)

    def _doubt(self) -> timedelta:
        """How far two clocks of the history may be apart, besides what is known of them."""
        return timedelta(hours=6) if "skew" in self.script.kinds else timedelta(seconds=1)

    def _paid_twice(self) -> list[str]:
        """Name what was accepted again, but for answers that expired in a week without a run."""
        order = {row["id"]: number for number, row in enumerate(self.rows)}
        return [one for one in self.audit["duplicate_ids"] if not self._replaces(order[one])]

    def _replaces(self, number: int) -> bool:
        """Whether all like it that had not failed were gone when it was accepted."""
        asked = ("video", "task", "text", "model")
        row = self.rows[number]
        made = _time(row["created_at"])
        earlier = [
            other
            for other in self.rows[:number]
            if all(other[key] == row[key] for key in asked)
            and other["status"] in {"created", "processing", "completed"}
        ]
        week = timedelta(days=7) - self._doubt()
        return all(_time(other["created_at"]) + week <= made for other in earlier)

    def _booked(self, one: sqlite3.Row, charged: dict[str, int]) -> None:
        """What the ledger says that a prediction cost, against the bill."""
        if one["status"] in {"held", "submitting"}:
            self.found.unresolved += 1
            self.found.said.append(f"prediction {one['id']} was left {one['status']}")
        due = 0 if one["status"] == "released" else one["quoted"]
        if one["provider_id"] is not None:
            if one["provider_id"] not in charged:
                self.found.wrong_answers += 1
                self.found.said.append(
                    f"prediction {one['id']} took a stranger's {one['provider_id']}"
                )
            due = charged.get(one["provider_id"], 0)
        if one["status"] == "completed" and one["settled_at"] is None and due == 0:
            self.found.unbilled += one["quoted"]
            due = one["quoted"]
        if one["booked"] != due:
            words = f"prediction {one['id']} ({one['status']}) booked {one['booked']}, due {due}"
            self._differ(one["booked"] - due, words)

    def _one_live_each(self) -> None:
        live: defaultdict[int, int] = defaultdict(int)
        done: defaultdict[int, int] = defaultdict(int)
        for one in self.predictions:
            live[one["analysis_id"]] += one["status"] in _LIVE
            done[one["analysis_id"]] += one["status"] == "completed"
            if (one["analysis_status"] == "completed") != bool(one["text"]):
                self.found.wrong_answers += 1
                self.found.said.append(f"analysis {one['analysis_id']} is completed without text")
        for analysis_id, count in live.items():
            if count > 1:
                self.found.duplicates += 1
                self.found.said.append(f"analysis {analysis_id} has {count} live predictions")

    def _differ(self, micros: int, words: str) -> None:
        self.found.disagreement += abs(micros)
        self.found.said.append(words)


def open_books(
    script: Script,
    catalog: Path,
    audit: dict[str, Any],
    rows: list[dict[str, Any]],
    *,
    identities: dict[str, str],
    weeks: Iterable[datetime],
    last_of_before: int,
) -> Books:
    """Read everything that is to be compared."""
    connection = sqlite3.connect(catalog)
    connection.row_factory = sqlite3.Row
    try:
        names: defaultdict[int, set[str]] = defaultdict(set)
        for row in connection.execute("SELECT uri, video_id FROM locations"):
            names[row["video_id"]].add(identities[row["uri"]])
        return Books(
            script=script,
            audit=audit,
            rows=rows,
            predictions=connection.execute(_PREDICTIONS).fetchall(),
            unbalanced=_unbalanced(connection),
            names=names,
            weeks=list(weeks),
            last_of_before=last_of_before,
        )
    finally:
        connection.close()


def _unbalanced(connection: sqlite3.Connection) -> dict[str, int]:
    booked: dict[str, int] = {}
    for scope in _SCOPES:
        booked |= {
            row["scope"]: row["booked"] for row in connection.execute(_SUMS.format(scope=scope))
        }
    committed = {
        row["scope"]: row["committed_micros"]
        for row in connection.execute("SELECT scope, committed_micros FROM budgets")
    }
    return {
        scope: committed.get(scope, 0) - booked.get(scope, 0)
        for scope in booked.keys() | committed.keys()
        if committed.get(scope, 0) != booked.get(scope, 0)
    }


def _time(text: str) -> datetime:
    """Read a time of either book; both are UTC, one has more digits than Python reads."""
    return datetime.fromisoformat(text[:26].rstrip("Z")).replace(tzinfo=UTC)
