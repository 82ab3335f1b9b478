"""Planning: what a run would do, skip and pay, from what is left and what may be spent.

`plan` prints what `make_plan` gives and `run` does what `make_plan` gives.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field

from catalog.analyses import PendingAnalysis
from catalog.budget_limits import allocate
from catalog.pricing import PriceList, quote
from catalog.values import AnalysisStatus


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """Under which conditions a plan is made."""

    prices: PriceList
    #: What every budget in force leaves free together, in micro-dollars; None for no limit.
    free_micros: int | None
    #: At most this many videos with something left to do; None for all.
    most_videos: int | None
    #: Whether what failed is tried again.
    retry_failed: bool
    #: Which URIs the run is about.
    accepts: Callable[[str], bool]
    #: What the same analyses would cost by another list, for comparison; None for no comparison.
    compare_with: PriceList | None = None
    #: Analyses that the run has collected for earlier ones itself; they were not done before it.
    collected: Container[int] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """An analysis to be bought."""

    left: PendingAnalysis
    quote_micros: int


@dataclass(kw_only=True, slots=True)
class Plan:
    """What is to be done, in order, and what is not and why."""

    jobs: list[Candidate] = field(default_factory=list)
    over_budget: list[Candidate] = field(default_factory=list)
    wanted: int = 0
    done_before: int = 0
    failed_before: int = 0
    #: Completed, or about to be, by the run itself, which collects what earlier ones bought.
    collected: int = 0
    in_flight_elsewhere: int = 0
    #: Analyses of which a submission was lost, by whichever run.
    uncertain: set[int] = field(default_factory=set)
    #: Of videos whose length is not known, so nothing can be quoted.
    unquotable: list[PendingAnalysis] = field(default_factory=list)
    #: Beyond `most_videos`.
    beyond_limit: int = 0
    #: All that is left within `most_videos`, whatever the budget.
    quoted_micros: int = 0
    #: What fits the budget.
    planned_micros: int = 0
    #: Everything wanted whose length is known, at the prices of `compare_with`; None without one.
    compared_micros: int | None = None
    #: Wanted, but of unknown length, so without a price there.
    compared_unknown: int = 0


def make_plan(stream: Iterable[PendingAnalysis], terms: Terms) -> Plan:
    """Sort what is left into what will be bought and what will not, keeping its order."""
    plan = Plan()
    candidates: list[Candidate] = []
    chosen_videos: set[int] = set()
    met: set[int] = set()
    for left in stream:
        if left.analysis_id in met or not terms.accepts(left.uri):
            continue
        met.add(left.analysis_id)
        plan.wanted += 1
        _compare(plan, left, terms)
        if not _is_left(plan, left, terms):
            continue
        if left.video_id not in chosen_videos:
            if terms.most_videos is not None and len(chosen_videos) >= terms.most_videos:
                plan.beyond_limit += 1
                continue
            chosen_videos.add(left.video_id)
        micros = quote(left.duration_seconds, terms.prices)
        if micros is None:
            plan.unquotable.append(left)
        else:
            candidates.append(Candidate(left=left, quote_micros=micros))
    allocation = allocate([job.quote_micros for job in candidates], terms.free_micros)
    plan.jobs = [candidates[position] for position in allocation.taken]
    plan.over_budget = [candidates[position] for position in allocation.left]
    plan.quoted_micros = sum(job.quote_micros for job in candidates)
    plan.planned_micros = allocation.total_micros
    return plan


def _compare(plan: Plan, left: PendingAnalysis, terms: Terms) -> None:
    """Add what an analysis would cost by the list that the plan is compared with."""
    if terms.compare_with is None:
        return
    micros = quote(left.duration_seconds, terms.compare_with)
    plan.compared_micros = (plan.compared_micros or 0) + (micros or 0)
    plan.compared_unknown += micros is None


def _is_left(plan: Plan, left: PendingAnalysis, terms: Terms) -> bool:
    """Count an analysis that is not to be bought; True if it is."""
    match left.status:
        case AnalysisStatus.WANTED:
            return True
        case AnalysisStatus.FAILED if terms.retry_failed:
            return True
        case AnalysisStatus.FAILED:
            plan.failed_before += 1
        case _ if left.analysis_id in terms.collected:
            plan.collected += 1
        case AnalysisStatus.COMPLETED:
            plan.done_before += 1
        case AnalysisStatus.PENDING:
            plan.in_flight_elsewhere += 1
        case AnalysisStatus.UNCERTAIN:
            plan.in_flight_elsewhere += 1
            plan.uncertain.add(left.analysis_id)
    return False
