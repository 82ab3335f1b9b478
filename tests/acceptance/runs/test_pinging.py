"""A dead-man's switch hears of runs alone, and runs do not depend on it."""

from __future__ import annotations

import json

import pytest
from command import sandbox_of
from ping_switch import SECRET, listening_switch

pytestmark = pytest.mark.slow


def test_the_switch_hears_of_runs_and_of_nothing_else(shell, archive):
    archive.put("a.mp4")
    with listening_switch() as switch:
        pinging = shell.having(REELCAT_PING_URL=switch.url, REELCAT_LOG_LEVEL="debug")
        for quiet in (["plan", "films"], ["reconcile"]):
            pinging(*quiet)
        assert switch.heard == []
        done = pinging("run", "films")
        refused = pinging("run", "films", "--provider", "wavespeed")
        pinging("run", "gone")  # no run has begun, and the switch will miss it
    assert switch.heard == ["/start", "", "/start", "/fail"]
    assert (done.code, refused.code) == (0, 2)
    assert SECRET not in done.out + done.err + refused.out + refused.err


def test_the_address_is_masked_where_settings_are_shown(shell):
    shown = shell.having(REELCAT_PING_URL=f"https://hc-ping.com/{SECRET}")("config")
    assert "REELCAT_PING_URL" in shown.out
    assert "hc-ping.com" not in shown.out


def test_a_switch_that_nobody_reaches_changes_nothing(shell, archive):
    archive.put("a.mp4")
    logging = shell.having(
        REELCAT_PING_URL=f"http://127.0.0.1:9/{SECRET}", REELCAT_LOG_FORMAT="json"
    )
    run = logging("run", "films", "--json")
    events = [json.loads(line) for line in run.err.splitlines()]
    failed = [one["what"] for one in events if one["event"] == "ping.failed"]
    assert (run.code, run.report["analyses"]["completed"]) == (0, 2)
    assert failed == ["start", "success"]
    assert SECRET not in run.err


def test_a_limit_that_is_nearly_used_is_an_event_and_a_notice(shell, archive):
    for name in "abcde":
        archive.put(f"{name}.mp4")
    with sandbox_of(shell) as sandbox:
        paying = shell.having(**sandbox.environment(), REELCAT_LOG_FORMAT="json")
        paying("budget", "--day", "0.06", "--month", "1")
        first = paying("run", "films", "--limit", "4", "--budget", "1", "--json")
        second = paying("run", "films", "--budget", "0.01", "--json")

    def told(run):
        events = (json.loads(line) for line in run.err.splitlines())
        return [
            (one["scope"], one["committed_usd"], one["limit_usd"])
            for one in events
            if one["event"] == "budget.nearly_used"
        ]

    assert first.report["money"]["charged_usd"] == "0.04"
    assert (told(first), first.report["notices"]) == ([], [])
    assert told(second) == [("day", "0.05", "0.06"), ("run", "0.01", "0.01")] or told(second) == [
        ("run", "0.01", "0.01"),
        ("day", "0.05", "0.06"),
    ]
    assert second.report["notices"] == [
        "100 % of this run's limit is committed: $0.01 of $0.01.",
        "83 % of the day's limit is committed: $0.05 of $0.06.",
    ]
