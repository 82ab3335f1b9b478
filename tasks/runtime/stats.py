"""What a run has done so far: counted where it happens, read by whoever shows progress."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(kw_only=True, slots=True)
class VideoStats:
    """Locations of a run's sources. Each is counted once under what the scan said of it."""

    found: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    #: Locations beyond the first of a video that lies in several.
    duplicates: int = 0
    #: Locations that cannot be analysed, each with a reason.
    unreadable: int = 0
    #: Left for the next run because they are still being written.
    deferred: int = 0
    #: In an archive class; restored first, then looked at.
    archived: int = 0
    #: Vanished since the last scan.
    missing: int = 0
    #: Looked at by this run.
    probed: int = 0
    bytes_read: int = 0
    requests: int = 0


@dataclass(kw_only=True, slots=True)
class AnalysisStats:
    """Analyses that a run asks for."""

    wanted: int = 0
    done_before: int = 0
    #: Failed earlier and not tried again without `--retry-failed`.
    failed_before: int = 0
    #: Another run works on them, or a lost submission of an earlier run is not resolved.
    in_flight_elsewhere: int = 0
    #: What fits into the budgets of what is left to do, when the first plan is made.
    planned: int = 0
    submitted: int = 0
    completed: int = 0
    failed: int = 0
    uncertain: int = 0
    over_budget: int = 0
    unquotable: int = 0
    #: Still running at the provider when the run ended; the next run collects them.
    left_running: int = 0
    #: Planned, but not bought because the run was stopped first; the next run goes on with them.
    left: int = 0
    #: Of earlier runs, collected by this one.
    collected: int = 0
    #: Completed for this run by other workers that share it.
    completed_by_others: int = 0


@dataclass(kw_only=True, slots=True)
class MoneyStats:
    """Micro-dollars."""

    #: Everything that is left to do, at its upper bound.
    quoted: int = 0
    #: What of it fits into the budgets.
    planned: int = 0
    #: The run's own limit; None for none.
    budget: int | None = None
    held: int = 0
    charged: int = 0
    #: What the priced model would charge, where a free one was used.
    instead: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Issue:
    """One video, analysis or source that needs a look, with its reason."""

    what: str
    reason: str
    kind: str = ""


@dataclass(kw_only=True, slots=True)
class RunStats:
    """All counts of one run."""

    videos: VideoStats = field(default_factory=VideoStats)
    analyses: AnalysisStats = field(default_factory=AnalysisStats)
    money: MoneyStats = field(default_factory=MoneyStats)
    #: Things that make the run end with exit code 1.
    failures: list[Issue] = field(default_factory=list)
    #: Things worth saying that do not.
    notices: list[str] = field(default_factory=list)
    #: What the run is doing, for people.
    stage: str = ""
