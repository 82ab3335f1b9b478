"""The commands that only look."""

from __future__ import annotations

import csv
import io
import json

import pytest


def test_status_names_what_is_uncertain_and_gives_one_object_to_scripts(archive):
    people = archive("status")
    assert people.code == 0
    assert "whose answer was lost" in people.out
    assert "summary, $0.01 at most" in people.out
    scripts = archive("status", "--json")
    found = json.loads(scripts.out)
    assert scripts.err == ""
    assert scripts.out.count("\n") == 1
    assert found["videos"] == {"total": 2, "ok": 2}
    assert found["analyses"]["completed"] == 1
    assert found["predictions"]["uncertain"] == 1
    assert found["money"] == {"held_usd": "0.01", "charged_usd": "0.01", "refunded_usd": "0.00"}
    assert {"scope", "limit_usd", "committed_usd"} == set(found["budgets"][0])


def test_search_takes_words_to_leave_out_and_shows_titles_without_their_orders(archive):
    found = archive("search", "boat", "-noise")
    assert found.code == 0
    assert "boat.mp4 (and 1 other place)" in found.out
    assert "[red]A boat" in found.out
    assert "\x1b" not in found.out
    scripts = json.loads(archive("search", "boat", "-noise", "--json").out)
    assert scripts["total"] == 1
    assert scripts["results"][0]["content_id"] == "v1-00boat"
    assert scripts["results"][0]["names"] == ["boat.mp4", "copy.mp4"]


def test_show_tells_all_of_one_video(archive):
    shown = archive("show", "boat.mp4")
    assert shown.code == 0
    for known in ("v1-00boat", "10.0 s", "A boat leaves the harbour.", "p-1", "charge $0.01"):
        assert known in shown.out
    assert "\x1b" not in shown.out
    scripts = json.loads(archive("show", "v1-00b", "--json").out)
    assert scripts["analyses"][0]["predictions"][0]["ledger"][-1]["amount_usd"] == "0.01"


def test_export_writes_lines_to_stdout_and_tables_to_files(archive):
    lines = [json.loads(line) for line in archive("export").out.splitlines()]
    assert [line["content_id"] for line in lines] == ["v1-00boat", "v1-00noise"]
    assert archive("export", "--format", "csv", "-o", "taken.csv").out == ""
    rows = list(csv.DictReader(io.StringIO((archive.folder / "taken.csv").read_text())))
    assert [row["charged_usd"] for row in rows] == ["0.01", ""]
    assert [path.name for path in archive.folder.iterdir()] == ["taken.csv"]


@pytest.mark.parametrize(
    "command", [["export"], ["status"], ["config"], ["--help"], ["--version"]], ids=" ".join
)
def test_a_reader_that_has_read_enough_is_no_error(archive, start, command):
    process = start(*command)
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 0


def test_budgets_are_set_shown_and_taken_away(archive):
    assert archive("budget", "--day", "25", "--month", "$300").code == 0
    usages = json.loads(archive("budget", "--day", "none", "--json").out)["budgets"]
    limits = {one["scope"].partition(":")[0]: one["limit_usd"] for one in usages}
    assert limits == {"day": None, "month": "300.00", "run": "1.00"}
