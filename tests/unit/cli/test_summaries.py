"""What a run says to people."""

from __future__ import annotations

import pytest

from catalog.errors import SettingsError
from catalog.values import RunStatus
from flows.cli.plan import nights
from flows.cli.request import RequestOptions, request_of
from flows.cli.summary import print_plan, print_run
from flows.pipeline.report import RunReport
from tasks.runtime.stats import AnalysisStats, Issue, MoneyStats, RunStats, VideoStats


def report(status=RunStatus.COMPLETED, **parts):
    return RunReport(run_id="run-1", status=status, stats=RunStats(**parts))


def test_money_comes_before_counts_and_counts_before_failures(capsys):
    print_run(
        report(
            RunStatus.COMPLETED_WITH_FAILURES,
            money=MoneyStats(charged=340_000, held=20_000, budget=1_000_000),
            analyses=AnalysisStats(wanted=36, completed=34, failed=1),
            videos=VideoStats(found=18),
            failures=[Issue(what="file:///films/a%20b.mp4", reason="summary: too dark")],
        )
    )
    lines = [line.strip() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert lines == [
        "Done, with 1 failure.",
        "money     $0.34 charged · $0.02 held · of a budget of $1.00",
        "analyses  36 wanted · 34 completed · 1 failed",
        "videos    18 found",
        "Needs a look",
        "/films/a b.mp4: summary: too dark",
    ]


def test_a_thousand_failures_are_thirty_lines_and_a_count(capsys):
    failures = [Issue(what=f"s3://b/{n}.mp4", reason="It is noise.") for n in range(1000)]
    print_run(report(RunStatus.COMPLETED_WITH_FAILURES, failures=failures))
    shown = capsys.readouterr().out
    assert shown.count("It is noise.") == 30
    assert "and 970 more" in shown


def test_a_folder_without_videos_says_so(capsys):
    print_run(report(RunStatus.COMPLETED))
    assert "none found" in capsys.readouterr().out


@pytest.mark.parametrize("status", RunStatus)
def test_every_way_to_end_has_its_words(capsys, status):
    print_run(report(status))
    print_plan(report(status), None)
    assert capsys.readouterr().out.strip()


def test_a_failure_of_a_hostile_name_stays_one_line_without_orders(capsys):
    failure = Issue(what="s3://b/\x1b[2Ja\nb.mp4", reason="bad\r[red]name")
    print_run(report(failures=[failure]))
    shown = capsys.readouterr().out
    assert r"s3://b/\x1b[2Ja b.mp4: bad [red]name" in shown
    assert "\x1b" not in shown


def test_a_plan_says_what_of_the_backlog_fits_and_how_many_nights_it_takes(capsys):
    money = MoneyStats(quoted=100_010_000, planned=25_000_000)
    print_plan(report(money=money), nights(money.quoted, 25_000_000))
    shown = capsys.readouterr().out
    assert "$25.00 at most, of $100.01 for all that is left" in shown
    assert "5 at $25.00 a night" in shown


def test_a_night_must_at_least_buy_one_long_video():
    with pytest.raises(SettingsError, match=r"\$0\.12"):
        nights(1_000_000, 119_999)


@pytest.mark.parametrize("budget", ["-1", "1e", "nan", "inf", "0.0000001", "", "1,5"])
def test_a_budget_that_is_no_amount_is_refused(budget):
    with pytest.raises(SettingsError, match="--budget takes"):
        request_of(["/films"], RequestOptions(budget_usd=budget))
