"""What is taken away is what is there, on both databases."""

from __future__ import annotations

import csv
import io
import json

import pytest
import single_moves
from catalog_rows import (
    ANSWER,
    ENDPOINT,
    FOLDER,
    LASTING,
    NO_LIMITS,
    NOW,
    inspection,
    jobs,
    listing,
    look,
    probe,
    purchase,
    record,
    register,
    start_run,
    tokens,
    wanted_analyses,
)

from catalog import export, holding, predictions
from catalog.values import AnalysisType, Completed, ProbeStatus

KEYS = [
    "content_id", "uris", "duration_seconds", "size_bytes", "container", "video_codec",
    "audio_codec", "width", "height", "fps", "probe_error", "analyses",
]  # fmt: skip
ANALYSIS_KEYS = [
    "task", "instructions", "model", "status", "text", "quoted_usd", "charged_usd",
    "prediction_id", "completed_at", "error",
]  # fmt: skip


def buy(catalog, analysis_id, outcome, *, run_id="run-1", provider_id="p1", quote=15_000):
    """Buy an analysis and let it end so."""

    def change(session):
        (held,) = holding.hold(
            session,
            jobs([analysis_id], quote),
            purchase(run_id),
            now=NOW,
            unique=tokens(provider_id),
        ).held
        one = held.prediction_id
        holding.intend(session, [one], ENDPOINT, NO_LIMITS, now=NOW)
        session.expire_all()
        single_moves.accept(session, one, provider_id, now=NOW)
        if isinstance(outcome, Completed):
            single_moves.complete(session, one, outcome, coverage=None, now=NOW)
        else:
            predictions.fail(session, one, outcome, now=NOW)

    catalog.write(change)


def exported(catalog, page=export.PAGE):
    out = io.StringIO()
    with catalog.read() as session:
        export.write_jsonl(export.videos(session.connection(), page=page), out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def table(catalog):
    out = io.StringIO()
    with catalog.read() as session:
        export.write_csv(export.videos(session.connection()), out)
    return list(csv.DictReader(io.StringIO(out.getvalue())))


def test_a_video_is_one_line_with_the_promised_keys_and_its_money_as_decimal_strings(catalog):
    first, _ = wanted_analyses(catalog, 1, AnalysisType.SUMMARY, AnalysisType.COUNTING)
    start_run(catalog, "run-1", None)
    buy(catalog, first, ANSWER)
    (video,) = exported(catalog)
    assert list(video) == KEYS
    assert video["uris"] == [f"{FOLDER}/0000.mp4"]
    assert video["duration_seconds"] == 10
    done, wanted = video["analyses"]
    assert list(done) == list(wanted) == ANALYSIS_KEYS
    assert (done["quoted_usd"], done["charged_usd"]) == ("0.015", "0.015")
    assert (done["status"], done["text"]) == ("completed", ANSWER.text)
    assert (done["prediction_id"], done["completed_at"]) == ("p1", NOW.isoformat())
    assert (wanted["quoted_usd"], wanted["charged_usd"], wanted["text"]) == (None, None, None)


def test_a_failed_attempt_says_why_and_its_charge_is_unknown_until_the_bill_speaks(catalog):
    (analysis_id,) = wanted_analyses(catalog, 1)
    start_run(catalog, "run-1", None)
    buy(catalog, analysis_id, LASTING)
    ((analysis,),) = [video["analyses"] for video in exported(catalog)]
    assert (analysis["status"], analysis["error"]) == ("failed", LASTING.reason)
    assert (analysis["quoted_usd"], analysis["charged_usd"]) == ("0.015", None)


@pytest.mark.parametrize("page", [1, 2, 3, 500])
def test_pages_neither_lose_nor_repeat_a_video(catalog, page):
    wanted_analyses(catalog, 5)
    uris = [uri for video in exported(catalog, page) for uri in video["uris"]]
    assert uris == [f"{FOLDER}/{number:04}.mp4" for number in range(5)]


def test_a_table_has_one_row_an_analysis_and_one_for_a_video_without_any(catalog):
    wanted_analyses(catalog, 2, AnalysisType.SUMMARY, AnalysisType.COUNTING)
    scope = register(catalog)
    record(catalog, scope, [listing(f"{FOLDER}/broken.mp4")])
    unreadable = probe(None, status=ProbeStatus.UNREADABLE, error="It is noise.")
    look(catalog, scope, lambda _: inspection("v1-broken", probe=unreadable))
    rows = table(catalog)
    assert [row["task"] for row in rows] == ["summary", "counting", "summary", "counting", ""]
    assert rows[-1]["probe_error"] == "It is noise."
    assert tuple(rows[0]) == export.COLUMNS


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", " ="])
def test_a_spreadsheet_gets_no_formula_from_an_answer_and_json_keeps_it(catalog, sign):
    (analysis_id,) = wanted_analyses(catalog, 1)
    start_run(catalog, "run-1", None)
    answer = f'{sign}HYPERLINK("http://evil.example")\x1b[31m'
    buy(catalog, analysis_id, Completed(text=answer, raw="[]"))
    (row,) = table(catalog)
    assert row["text"] == f"'{answer}".replace("\x1b", "")
    assert exported(catalog)[0]["analyses"][0]["text"] == answer


def test_what_every_attempt_cost_is_added_up(catalog):
    (analysis_id,) = wanted_analyses(catalog, 1)
    start_run(catalog, "run-1", None)
    buy(catalog, analysis_id, LASTING, provider_id="p1")

    def settle(session):
        single_moves.settle(
            session, 1, predictions.Settlement(deducted=15_000, refunded=5_000), now=NOW
        )

    catalog.write(settle)
    buy(catalog, analysis_id, ANSWER, provider_id="p2")
    analysis = exported(catalog)[0]["analyses"][0]
    assert (analysis["charged_usd"], analysis["prediction_id"]) == ("0.025", "p2")


def test_an_answer_breaks_no_line_and_gives_a_terminal_no_orders(catalog):
    (analysis_id,) = wanted_analyses(catalog, 1)
    start_run(catalog, "run-1", None)
    answer = "one\ntwo\u2028three\x85four\x9b31m\x1b[2J\x7f"
    buy(catalog, analysis_id, Completed(text=answer, raw="[]"))
    out = io.StringIO()
    with catalog.read() as session:
        export.write_jsonl(export.videos(session.connection()), out)
    (line,) = out.getvalue().splitlines()
    assert line.isprintable()
    assert json.loads(line)["analyses"][0]["text"] == answer
