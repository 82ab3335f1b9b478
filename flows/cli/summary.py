"""What a run says to people when it is done: money first, then counts, then what needs a look."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from catalog.money import show
from catalog.values import RunStatus
from flows.cli.plan import Backlog
from flows.cli.text import counted, facts, one_line, output, said
from flows.pipeline.report import RunReport
from tasks.runtime.stats import AnalysisStats, Issue, MoneyStats, RunStats, VideoStats
from tasks.storage.uris import displayed, path_of

#: Failures that are named; `reelcat status` and the export have the rest.
NAMED = 30


def print_run(report: RunReport) -> None:
    """Say how a run ended."""
    stats = report.stats
    rows = {"money": money(stats.money)} | _found(report)
    ending = "Nothing was bought." if _was_declined(report) else _ending(report)
    _print(report, ending, rows)


def _was_declined(report: RunReport) -> bool:
    """Tell whether somebody saw the quote and said no."""
    return (
        report.status in {RunStatus.COMPLETED, RunStatus.BUDGET_REACHED}
        and report.stats.money.planned > 0
        and report.stats.analyses.submitted == 0
    )


def print_plan(report: RunReport, backlog: Backlog | None) -> None:
    """Say what a run would do."""
    stats = report.stats
    rows = {"cost": _cost(stats.money)}
    if backlog is not None:
        rows["nights"] = f"{backlog.nights:,} at {show(backlog.per_night_micros)} a night"
    ending = "A run would do this; nothing was spent."
    if report.status is RunStatus.INTERRUPTED:
        ending = "Interrupted before all was looked at; nothing was spent."
    _print(report, ending, rows | _found(report))


def print_reconciled(report: RunReport) -> None:
    """Say what came of comparing with the provider."""
    stats = report.stats
    rows = {"money": f"{show(stats.money.charged)} charged · {show(stats.money.held)} held, in all"}
    _print(report, _ending(report), rows | _counts(stats))


def _print(report: RunReport, ending: str, rows: dict[str, str]) -> None:
    console = output()
    console.print(said(ending, "bold"))
    console.print(facts(rows))
    for notice in report.stats.notices:
        console.print(said(f"  {one_line(notice)}"))
    _print_failures(console, report.stats.failures)


def _ending(report: RunReport) -> str:
    failed = counted(len(report.stats.failures), "failure")
    match report.status:
        case RunStatus.COMPLETED:
            return "Done."
        case RunStatus.COMPLETED_WITH_FAILURES:
            return f"Done, with {failed}."
        case RunStatus.BUDGET_REACHED:
            left = counted(report.stats.analyses.over_budget, "analysis is", "analyses are")
            return f"Done as far as the budget goes; {left} left for the next run."
        case RunStatus.ACCOUNT_STOPPED:
            return f"Stopped by the account: {one_line(report.stopped_by or 'it did not say why')}"
        case RunStatus.INTERRUPTED:
            return "Interrupted; the next run goes on from here."


def money(stats: MoneyStats) -> str:
    """Word what a run cost.

    >>> money(MoneyStats(charged=12_000, held=5_000, budget=1_000_000))
    '$0.012 charged · $0.005 held · of a budget of $1.00'
    >>> money(MoneyStats(instead=270_000))
    '$0.00 charged; Molmo2 would have cost $0.27 at most'
    """
    parts = [f"{show(stats.charged)} charged"]
    if stats.held:
        parts.append(f"{show(stats.held)} held")
    if stats.budget is not None:
        parts.append(f"of a budget of {show(stats.budget)}")
    line = " · ".join(parts)
    if stats.instead is not None:
        line += f"; Molmo2 would have cost {show(stats.instead)} at most"
    return line


def _cost(stats: MoneyStats) -> str:
    if stats.instead is not None:
        return f"nothing, offline; Molmo2 would cost {show(stats.instead)} at most"
    line = f"{show(stats.planned)} at most"
    if stats.planned != stats.quoted:
        line += f", of {show(stats.quoted)} for all that is left"
    return line


def _found(report: RunReport) -> dict[str, str]:
    """Word what was counted, also where that is nothing."""
    nothing = {"videos": "none found"} if report.status is RunStatus.COMPLETED else {}
    return _counts(report.stats) or nothing


def _counts(stats: RunStats) -> dict[str, str]:
    rows = {"analyses": _analyses(stats.analyses), "videos": _videos(stats.videos)}
    return {label: line for label, line in rows.items() if line}


def _analyses(stats: AnalysisStats) -> str:
    return _each(
        (stats.wanted, "wanted"),
        (stats.done_before, "done before"),
        (stats.submitted, "submitted"),
        (stats.completed, "completed"),
        (stats.collected, "collected from earlier runs"),
        (stats.failed, "failed"),
        (stats.failed_before, "failed before"),
        (stats.uncertain, "uncertain"),
        (stats.over_budget, "over the budget"),
        (stats.unquotable, "without a price"),
        (stats.in_flight_elsewhere, "in flight elsewhere"),
        (stats.left_running, "still running"),
    )


def _videos(stats: VideoStats) -> str:
    return _each(
        (stats.found, "found"),
        (stats.new, "new"),
        (stats.changed, "changed"),
        (stats.unchanged, "unchanged"),
        (stats.duplicates, "duplicate" if stats.duplicates == 1 else "duplicates"),
        (stats.unreadable, "unreadable"),
        (stats.deferred, "still being written"),
        (stats.archived, "archived"),
        (stats.missing, "missing"),
    )


def _each(*counts: tuple[int, str]) -> str:
    return " · ".join(f"{count:,} {word}" for count, word in counts if count)


def _print_failures(console: Console, failures: Sequence[Issue]) -> None:
    if not failures:
        return
    console.print("\nNeeds a look", style="bold")
    for one in failures[:NAMED]:
        line = f"  {one_line(place(one.what))}: {one_line(one.reason)}"
        console.print(said(line), soft_wrap=True)
    if len(failures) > NAMED:
        console.print(
            f"  … and {len(failures) - NAMED:,} more; `--json` names all, `reelcat status` counts "
            "them."
        )


def place(uri: str) -> str:
    """Write where something lies as people do: a path for a file of this machine.

    >>> place("file:///films/a%20b.mp4"), place("s3://films/a b.mp4")
    ('/films/a b.mp4', 's3://films/a b.mp4')
    """
    return displayed(path_of(uri)) if uri.startswith("file://") else uri
