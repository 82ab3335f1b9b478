"""The morning-after report: what Prefect's page shows of a run, in words and rows.

Pure text. File names and reasons come from strangers: secrets are masked in them, and no markup of
theirs is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from catalog.budget import Standing
from catalog.errors import ReelcatError
from catalog.money import show
from catalog.values import RunStatus
from catalog.visible import visible_on_one_line
from flows.report import RunReport
from tasks.storage.uris import displayed, path_of
from tasks.tally import Tally, Trouble
from tasks.wavespeed.redaction import redact

#: Failures that are named; a page with thousands of rows helps nobody.
MOST_FAILURES = 100

_MARKUP = re.compile(r"([\\`*_{}\[\]<>()#+!|~])")


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """How a run ended, well or badly."""

    sentence: str
    tally: Tally
    standings: tuple[Standing, ...]
    #: Whether the tally's charged and held money is known; it is counted at a run's very end.
    counted: bool


def sentence_of(report: RunReport) -> str:
    """Say how a run ended."""
    tally = report.tally
    failed = len(tally.failures)
    also = (
        f" {failed:,} {'thing needs' if failed == 1 else 'things need'} a look." if failed else ""
    )
    match report.status:
        case RunStatus.COMPLETED | RunStatus.COMPLETED_WITH_FAILURES:
            return f"Done.{also}"
        case RunStatus.BUDGET_REACHED:
            left = tally.analyses.over_budget
            which = "analysis is" if left == 1 else "analyses are"
            return f"Done as far as the budget goes; {left:,} {which} left for the next run.{also}"
        case RunStatus.ACCOUNT_STOPPED:
            return plain(report.stopped_by or "Stopped by the account; `reelcat doctor` says why.")
        case RunStatus.INTERRUPTED:
            return f"Interrupted; the next run goes on from here.{also}"


def sentence_of_error(error: BaseException) -> str:
    """Say how a run ended that gave no report."""
    if isinstance(error, ReelcatError):
        return plain(str(error))
    if isinstance(error, Exception):
        return "It ended with a bug; the flow run's log shows it. The next run goes on from here."
    return "Cancelled. What is still out is collected by the next run, or by reconcile."


def percent(tally: Tally) -> float:
    """Give how far a run has come, from 0 to 100: of what it planned, what is decided.

    0 as long as it is not known what there is to do.
    """
    counts = tally.analyses
    decided = counts.completed + counts.completed_by_others + counts.failed
    return min(100.0, 100.0 * decided / counts.planned) if counts.planned else 0.0


def progress_line(tally: Tally) -> str:
    """Say in a line what a run is doing and what it has done."""
    facts = [line for _, line in _counts(tally) if line]
    return " — ".join([plain(tally.stage or "Starting"), *facts])


def page(ending: Ending) -> str:
    """Write the report as Markdown, the most important first."""
    tally = ending.tally
    facts = [("money", _money(ending)), *_counts(tally)]
    troubles = [(row["what"], row["why"]) for row in failure_rows(tally.failures)]
    parts = [
        f"**{escaped(ending.sentence)}**",
        _table(("", ""), [(label, value) for label, value in facts if value]),
        "\n".join(f"- {escaped(notice)}" for notice in tally.notices[:MOST_FAILURES]),
        _table(("needs a look", "why"), troubles),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def spending_rows(standings: Iterable[Standing]) -> list[dict[str, str]]:
    """Lay out what is committed under each budget, held money included."""
    return [
        {
            "budget": _scope(standing.scope),
            "limit": "none" if standing.limit_micros is None else show(standing.limit_micros),
            "committed": show(standing.committed_micros),
            "free": "" if standing.free_micros is None else show(standing.free_micros),
        }
        for standing in standings
    ]


def failure_rows(failures: Sequence[Trouble]) -> list[dict[str, str]]:
    """Lay out what needs a look, at most `MOST_FAILURES`, and how many more there are."""
    rows = [
        {"what": plain(_place(one.what)), "why": plain(one.reason), "kind": plain(one.kind)}
        for one in failures[:MOST_FAILURES]
    ]
    more = len(failures) - MOST_FAILURES
    if more > 0:
        why = "Not named here; `reelcat status` counts them and the export has them all."
        rows.append({"what": f"… and {more:,} more", "why": why, "kind": ""})
    return rows


def plain(text: str) -> str:
    r"""Make a stranger's text one line without secrets; what cannot be seen is spelled out.

    >>> plain("a\nb\x1b[31m https://store.example/a.mp4?X-Amz-Signature=0a1b")
    'a b\\x1b[31m https://store.example/a.mp4?***'
    """
    return visible_on_one_line(redact(text))


def escaped(text: str) -> str:
    r"""Make a stranger's text safe in Markdown, inside a table too.

    >>> print(escaped("a|b [c](d) <img>"))
    a\|b \[c\]\(d\) \<img\>
    """
    return _MARKUP.sub(r"\\\1", plain(text))


def _table(headings: tuple[str, str], rows: Sequence[tuple[str, str]]) -> str:
    lines = [headings, ("---", "---"), *((escaped(one), escaped(other)) for one, other in rows)]
    return "\n".join(f"| {one} | {other} |" for one, other in lines) if rows else ""


def _counts(tally: Tally) -> list[tuple[str, str]]:
    videos, analyses = tally.videos, tally.analyses
    return [
        (
            "videos",
            _each(
                (videos.found, "found"),
                (videos.new, "new"),
                (videos.changed, "changed"),
                (videos.probed, "measured"),
                (videos.unreadable, "unreadable"),
                (videos.missing, "missing"),
            ),
        ),
        (
            "analyses",
            _each(
                (analyses.wanted, "wanted"),
                (analyses.done_before, "done before"),
                (analyses.submitted, "submitted"),
                (analyses.completed, "completed"),
                (analyses.collected, "collected from earlier runs"),
                (analyses.completed_by_others, "completed by other workers"),
                (analyses.failed, "failed"),
                (analyses.uncertain, "uncertain"),
                (analyses.over_budget, "over the budget"),
                (analyses.left_running, "left running"),
            ),
        ),
    ]


def _each(*counts: tuple[int, str]) -> str:
    return ", ".join(f"{count:,} {word}" for count, word in counts if count)


def _money(ending: Ending) -> str:
    money = ending.tally.money
    parts = [f"{show(money.planned)} planned at most"] if money.planned else []
    if ending.counted:
        parts += [f"{show(money.charged)} charged", f"{show(money.held)} held"]
    if money.budget is not None:
        parts.append(f"of a budget of {show(money.budget)}")
    if money.instead is not None:
        parts.append(f"Molmo2 would have cost {show(money.instead)} at most")
    return ", ".join(parts)


def _scope(scope: str) -> str:
    kind, _, name = scope.partition(":")
    return "this run" if kind == "run" else f"{kind} {name}"


def _place(what: str) -> str:
    return displayed(path_of(what)) if what.startswith("file://") else what
