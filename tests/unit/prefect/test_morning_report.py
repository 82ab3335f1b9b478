"""What the page shows of a run: true, short, and nothing that gives orders or tells secrets."""

from __future__ import annotations

import asyncio

import pytest

from catalog.budget_limits import BudgetUsage
from catalog.errors import AccountStopped
from catalog.values import RunStatus
from flows.pipeline.report import RunReport
from flows.prefect_support.artifacts import (
    MOST_FAILURES,
    Ending,
    failure_rows,
    page,
    percent,
    progress_line,
    sentence_of,
    sentence_of_error,
    spending_rows,
)
from tasks.runtime.stats import AnalysisStats, Issue, MoneyStats, RunStats

SIGNED = "https://store.example/a.mp4?X-Amz-Signature=0a1b2c"


def ending(stats: RunStats, **values) -> Ending:
    defaults = {"sentence": "Done.", "usages": (), "counted": True}
    return Ending(stats=stats, **(defaults | values))


def report(status: RunStatus, stats: RunStats, stopped_by: str | None = None) -> RunReport:
    return RunReport(run_id="1", status=status, stats=stats, stopped_by=stopped_by)


@pytest.mark.parametrize(
    ("analyses", "expected"),
    [
        (AnalysisStats(), 0),
        (AnalysisStats(wanted=10, done_before=10), 0),
        (AnalysisStats(wanted=10), 0),
        (AnalysisStats(wanted=10, planned=10, completed=2, failed=3), 50),
        # Half is done before, and of the other half the budget reaches four.
        (AnalysisStats(wanted=10, done_before=5, over_budget=1, planned=4, completed=2), 50),
        # What earlier runs bought is collected beside, and is none of this.
        (AnalysisStats(wanted=10, planned=4, completed=2, collected=6), 50),
        # Bought again after a passing failure, so that more ended than were wanted.
        (AnalysisStats(wanted=2, planned=2, completed=2, failed=1), 100),
    ],
)
def test_progress_is_the_part_of_what_was_planned_that_is_decided(analyses, expected):
    assert percent(RunStats(analyses=analyses)) == expected


def test_progress_says_the_stage_before_anything_is_counted():
    assert progress_line(RunStats(stage="Listing /films")) == "Listing /films"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (RunStatus.COMPLETED, "Done."),
        (RunStatus.COMPLETED_WITH_FAILURES, "Done."),
        (RunStatus.BUDGET_REACHED, "Done as far as the budget goes; 3 analyses are left"),
        (RunStatus.ACCOUNT_STOPPED, "The key was refused."),
        (RunStatus.INTERRUPTED, "Interrupted; the next run goes on from here."),
    ],
)
def test_every_ending_is_a_sentence(status, expected):
    stats = RunStats(analyses=AnalysisStats(over_budget=3))

    assert sentence_of(report(status, stats, "The key was refused.")).startswith(expected)


def test_failures_are_counted_in_the_sentence():
    one = Issue(what="a.mp4", reason="broken")

    assert sentence_of(
        report(RunStatus.COMPLETED_WITH_FAILURES, RunStats(failures=[one, one]))
    ).endswith("2 things need a look.")


def test_an_error_that_a_person_can_mend_is_its_own_sentence_and_a_bug_is_called_one():
    assert sentence_of_error(AccountStopped("Top it up.")) == "Top it up."
    assert "bug" in sentence_of_error(ValueError("a detail"))
    assert sentence_of_error(asyncio.CancelledError()).startswith("Cancelled.")


def test_money_that_was_not_counted_is_not_shown_as_nothing():
    money = MoneyStats(planned=5_000, budget=1_000_000)

    assert "charged" not in page(ending(RunStats(money=money), counted=False))
    assert "$0.00 charged" in page(ending(RunStats(money=money), counted=True))


def test_names_of_strangers_neither_break_the_page_nor_give_it_orders():
    name = "s3://films/a|b\n# big [click](javascript:x) <img src=x>.mp4"
    text = page(ending(RunStats(failures=[Issue(what=name, reason=f"see {SIGNED}")])))

    row = next(line for line in text.splitlines() if "films" in line)
    assert row.startswith(r"| s3://films/a\|b \# big \[click\]\(javascript:x\) \<img")
    assert row.endswith(" |")
    assert "0a1b2c" not in text


def test_a_signed_address_is_in_no_row_line_or_sentence():
    stats = RunStats(
        stage=f"Listing {SIGNED}", notices=[SIGNED], failures=[Issue(what=SIGNED, reason=SIGNED)]
    )
    shown = [
        page(ending(stats, sentence=SIGNED)),
        progress_line(stats),
        str(failure_rows(stats.failures)),
        sentence_of(report(RunStatus.ACCOUNT_STOPPED, stats, SIGNED)),
    ]

    assert not [text for text in shown if "0a1b2c" in text]


def test_no_more_failures_are_named_than_a_page_can_bear_and_the_rest_is_counted():
    many = [Issue(what=f"{number}.mp4", reason="broken") for number in range(1234)]

    rows = failure_rows(many)
    assert len(rows) == MOST_FAILURES + 1
    assert rows[-1]["what"] == "… and 1,134 more"


def test_spending_shows_what_is_left_only_where_there_is_a_limit():
    usages = (
        BudgetUsage(scope="run:1", limit_micros=5_000_000, committed_micros=1_250_000),
        BudgetUsage(scope="day:2026-11-23", limit_micros=None, committed_micros=0),
    )

    assert spending_rows(usages) == [
        {"budget": "this run", "limit": "$5.00", "committed": "$1.25", "free": "$3.75"},
        {"budget": "day 2026-11-23", "limit": "none", "committed": "$0.00", "free": ""},
    ]
