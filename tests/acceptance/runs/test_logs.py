"""What a log collector gets of a paid run, and what people at a terminal do not."""

from __future__ import annotations

import json

import pytest
from command import KEY, sandbox_of

pytestmark = pytest.mark.slow


def events(err: str) -> list[dict]:
    return [json.loads(line) for line in err.splitlines()]


def test_a_run_is_told_in_objects_with_whose_they_are_and_without_a_flood(shell, archive):
    for name in ("opening.mp4", "harbour.mp4"):
        archive.put(name)
    with sandbox_of(shell) as sandbox:
        paying = shell.having(**sandbox.environment())
        few = paying.having(REELCAT_LOG_FORMAT="json")("run", "films", "--budget", "1", "--json")
        for number in range(6):
            archive.put(f"more-{number}.mp4")
        many = paying.having(REELCAT_LOG_FORMAT="json")("run", "films", "--budget", "1", "--json")
        archive.put("last.mp4")
        every = paying.having(REELCAT_LOG_LEVEL="debug", REELCAT_LOG_FORMAT="json")(
            "run", "films", "--budget", "1", "--json"
        )
        archive.put("quiet.mp4")
        quiet = paying("run", "films", "--budget", "1", "--json")

    told = events(few.err)
    assert {one["run"] for one in told} == {few.report["run_id"]}
    assert [one["event"] for one in told if one["level"] == "info"] == [
        "run.started",
        "source.listed",
        "batch.probed",
        "run.ended",
    ]
    assert told[-1]["completed"] == few.report["analyses"]["completed"]
    assert {one["level"] for one in told} == {"info"}
    assert len([one for one in events(many.err) if one["level"] == "info"]) == 4

    items = [one for one in events(every.err) if one["level"] == "debug"]
    assert sorted(one["event"] for one in items) == [
        *["prediction.accepted"] * 2,
        *["prediction.completed"] * 2,
        "video.probed",
    ]
    accepted = {one["prediction"] for one in items if one["event"] == "prediction.accepted"}
    completed = {one["prediction"] for one in items if one["event"] == "prediction.completed"}
    assert accepted == completed
    assert quiet.err == ""
    for ended in (few, many, every):
        assert KEY not in ended.err
        assert "X-Amz-Signature" not in ended.err


def test_a_lost_submission_is_a_warning_that_names_it(shell, archive):
    archive.put("opening.mp4")
    with sandbox_of(shell, "--fault", "submit-lost-reset=1") as sandbox:
        paying = shell.having(**sandbox.environment(), REELCAT_LOG_FORMAT="json")
        ended = paying("run", "films", "--budget", "1", "--task", "summary", "--json")
    (lost,) = [one for one in events(ended.err) if one["level"] == "warning"]
    assert lost["event"] == "prediction.uncertain"
    assert lost["run"] == ended.report["run_id"]
    assert {"prediction", "video", "task", "reason"} <= lost.keys()
