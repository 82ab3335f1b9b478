"""What many histories came to, added up and printed."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field

from chaos.faultplans import CRASH_POINTS
from chaos.history import Outcome
from chaos.kinds import Kind

from tasks.sandbox.faults import Fault

#: Faults and crash points are all met in so many histories, or the harness has grown blind.
ENOUGH_FOR_ALL = 800


@dataclass(kw_only=True)
class Summary:
    """Adds up outcomes."""

    #: The kinds that were chosen; none for all of them.
    chosen: tuple[Kind, ...] = ()
    histories: int = 0
    seconds: float = 0.0
    processor_seconds: float = 0.0
    looks: int = 0
    over_cap: int = 0
    bugs: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    passed: set[str] = field(default_factory=set)
    died_at: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    failed: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Take in one more history."""
        self.histories += 1
        self.looks += outcome.looks
        self.over_cap += len(outcome.over_cap)
        self.bugs += len(outcome.bugs)
        for name, value in vars(outcome.found).items():
            if name != "said":
                self.counts[name] += value
        self.ends.update(outcome.ends)
        self.faults.update(outcome.faults)
        self.kinds.update(outcome.kinds)
        self.passed |= outcome.passed
        self.died_at.update(outcome.died_at)
        if outcome.failed:
            self.failed.append(outcome)

    @property
    def blind_spots(self) -> list[str]:
        """Name what these histories never tried, or tried without knowing."""
        unknown = sorted(self.passed - set(CRASH_POINTS))
        if self.chosen or self.histories < ENOUGH_FOR_ALL:
            return [f"crash point without a name in the list: {point}" for point in unknown]
        return [
            *(f"crash point without a name in the list: {point}" for point in unknown),
            *(f"no process died at: {point}" for point in CRASH_POINTS if not self.died_at[point]),
            *(f"no history of the kind: {kind}" for kind in Kind if not self.kinds[kind]),
            *(f"never struck: {fault}" for fault in Fault if not self.faults[fault]),
        ]

    @property
    def is_good(self) -> bool:
        """Whether every promise was kept, and every fault and crash point met."""
        return not self.failed and not self.blind_spots

    def rows(self) -> list[tuple[str, int | str] | None]:
        """Give what was counted, by name; None is an empty line."""
        counts = self.counts
        return [
            ("histories", self.histories),
            *((f"with {kind}", self.kinds[kind]) for kind in Kind if self.kinds[kind]),
            ("processes of the product", self.ends.total()),
            ("killed at a random instant", self.ends["killed"]),
            ("killed at a named crash point", sum(self.died_at.values())),
            ("stopped by SIGTERM", self.ends["stopped"]),
            ("stopped and woken", self.ends["slept"]),
            ("crash points at which one died", f"{len(self.died_at)} of {len(CRASH_POINTS)}"),
            ("faults that struck", self.faults.total()),
            ("different faults", f"{len(self.faults)} of {len(Fault)}"),
            ("instants at which caps were looked at", self.looks),
            None,
            ("accepted", counts["accepted"]),
            ("duplicate paid", counts["duplicates"]),
            ("over-cap instants", self.over_cap),
            ("lost paid results", counts["lost_results"]),
            ("wrong answers", counts["wrong_answers"]),
            ("disagreement between the three books (micro-dollars)", counts["disagreement"]),
            ("uncertain although it could be told", counts["unresolved"]),
            ("key leaks", counts["key_leaks"]),
            ("crashes and hangs of the product's own", self.bugs),
            None,
            ("uncertain where nothing can tell; held and named", counts["uncertain"]),
            ("expired unread in a week in which nobody ran", counts["forgotten"]),
            ("booked for answers that no bill shows (micro-dollars)", counts["unbilled"]),
            ("seconds", f"{self.seconds:.0f}"),
            ("seconds of one processor", f"{self.processor_seconds:.0f}"),
        ]

    def told(self) -> str:
        """Say it for people."""
        lines = ["" if row is None else f"{row[0]:<55}{row[1]:>10}" for row in self.rows()]
        return "\n".join([*lines, *self.complaints()])

    def as_json(self) -> str:
        """Say it for programs."""
        return json.dumps(dict(row for row in self.rows() if row is not None))

    def _kinds(self) -> str:
        return f" KINDS={','.join(self.chosen)}" if self.chosen else ""

    def complaints(self) -> list[str]:
        """Say what went wrong, and how to see it again."""
        lines = ["", *self.blind_spots] if self.blind_spots else []
        for outcome in self.failed[:20]:
            lines += ["", outcome.told(), f"  again: make chaos SEED={outcome.seed}{self._kinds()}"]
        if self.failed:
            seeds = " ".join(str(outcome.seed) for outcome in self.failed)
            lines += ["", f"{len(self.failed)} histories failed: {seeds}"]
        return lines
