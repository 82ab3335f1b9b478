"""What status and show read, on both databases."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
import single_moves
from catalog_rows import (
    ANSWER,
    ENDPOINT,
    FOLDER,
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
    scan,
    start_run,
    tokens,
    wanted_analyses,
)
from sqlalchemy import event

from catalog import budgets, holding, predictions, runs
from catalog.detail import NoSuchVideo, SeveralVideos, show
from catalog.status import as_json, report
from catalog.values import AnalysisStatus, LedgerKind, PredictionStatus, ProbeStatus, RunStatus

UTC = ZoneInfo("UTC")


def hold(catalog, analysis_ids, run_id="run-1"):
    """Hold and intend; gives prediction ids in order."""

    def change(session):
        held = holding.hold(
            session, jobs(analysis_ids), purchase(run_id), now=NOW, unique=tokens()
        ).held
        ids = [one.prediction_id for one in held]
        holding.intend(session, ids, ENDPOINT, NO_LIMITS, now=NOW)
        return ids

    return catalog.write(change)


@pytest.fixture
def busy(catalog):
    """Four analyses: one completed, one running, one uncertain, one wanted."""
    wanted = wanted_analyses(catalog, 4)
    start_run(catalog, "run-1", 1_000_000)
    done, running, lost = hold(catalog, wanted[:3])

    def change(session):
        single_moves.accept(session, done, "p-done", now=NOW)
        single_moves.complete(session, done, ANSWER, coverage="the first 10 s", now=NOW)
        single_moves.accept(session, running, "p-running", now=NOW)
        predictions.lose(session, lost, reason="The connection was reset.", now=NOW)

    catalog.write(change)
    return catalog


def look_at(catalog, now=NOW, zone=UTC):
    with catalog.read() as session:
        return report(session.connection(), now=now, zone=zone)


def test_everything_is_counted_by_how_it_stands(busy):
    found = look_at(busy)
    assert found.videos == {ProbeStatus.OK: 4}
    assert found.analyses == {
        AnalysisStatus.WANTED: 1,
        AnalysisStatus.PENDING: 1,
        AnalysisStatus.UNCERTAIN: 1,
        AnalysisStatus.COMPLETED: 1,
        AnalysisStatus.FAILED: 0,
    }
    assert found.predictions[PredictionStatus.RUNNING] == 1
    assert found.predictions[PredictionStatus.UNCERTAIN] == 1
    assert (found.money.held, found.money.charged) == (20_000, 10_000)


def test_a_lost_submission_is_named_with_what_it_may_cost(busy):
    (lost,) = look_at(busy).uncertain
    assert (lost.name, lost.task, lost.quoted_micros) == ("0002.mp4", "summary", 10_000)
    assert (lost.since, lost.reason) == (NOW, "The connection was reset.")


def test_the_prediction_that_is_forgotten_first_is_named(busy):
    first = look_at(busy).first_to_expire
    assert first.provider_id == "p-running"
    assert first.expires_at == NOW + timedelta(days=7)


def test_budgets_are_those_of_today_this_month_and_the_runs_that_go_on(busy):
    busy.write(lambda session: budgets.set_limit(session, ["day", "day:2026-11-23"], 25_000_000))
    usages = {one["scope"]: one for one in as_json(look_at(busy))["budgets"]}
    assert usages["day:2026-11-23"]["limit_usd"] == "25.00"
    assert usages["month:2026-11"] == {
        "scope": "month:2026-11",
        "limit_usd": None,
        "committed_usd": "0.03",
    }
    assert usages["run:run-1"]["limit_usd"] == "1.00"
    busy.write(
        lambda session: runs.finish(
            session, "run-1", outcome=RunStatus.COMPLETED, counts={}, now=NOW
        )
    )
    tomorrow = as_json(look_at(busy, NOW + timedelta(days=1)))["budgets"]
    assert tomorrow == [
        {"scope": "day:2026-11-24", "limit_usd": "25.00", "committed_usd": "0.00"},
        {"scope": "month:2026-11", "limit_usd": None, "committed_usd": "0.03"},
    ]


def test_files_that_vanished_or_cannot_be_read_are_counted(catalog):
    scope = register(catalog)
    record(catalog, scope, [listing(f"{FOLDER}/{name}.mp4") for name in ("gone", "noise")])
    nothing = probe(None, status=ProbeStatus.UNREADABLE, error="It cannot be opened.")
    look(catalog, scope, lambda _: inspection(None, probe=nothing))
    later = NOW + timedelta(hours=1)
    scan(catalog, scope, [listing(f"{FOLDER}/{name}.mp4") for name in ("noise", "new")], later)
    places = look_at(catalog).places
    assert (places.total, places.missing) == (3, 1)
    assert places.unlooked == 2  # what could not be read is looked at again
    assert places.unread == 0


def test_a_report_asks_as_many_questions_of_a_full_catalog_as_of_an_empty_one(busy):
    asked = []
    event.listen(busy.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    look_at(busy)
    assert len(asked) < 20, asked


def test_a_video_is_shown_with_its_places_answers_attempts_and_ledger(busy):
    with busy.read() as session:
        shown = show(session.connection(), "0000.mp4")
    (place,) = shown.places
    assert place.uri == f"{FOLDER}/0000.mp4"
    assert shown.measured.duration_seconds == 10
    (answer,) = shown.analyses
    assert (answer.text, answer.coverage) == (ANSWER.text, "the first 10 s")
    (attempt,) = answer.predictions
    assert (attempt.provider_id, attempt.charged_micros) == ("p-done", 10_000)
    assert [(entry.kind, entry.amount_micros) for entry in attempt.ledger] == [
        (LedgerKind.HOLD, 10_000),
        (LedgerKind.RELEASE, -10_000),
        (LedgerKind.CHARGE, 10_000),
    ]


@pytest.mark.parametrize("wanted", ["boat.mp4", f"{FOLDER}/boat.mp4", "BOAT", "v1-0a", "v1-0abc"])
def test_a_video_goes_by_its_place_its_name_a_part_of_it_or_its_id(catalog, wanted):
    scope = register(catalog)
    record(catalog, scope, [listing(f"{FOLDER}/boat.mp4"), listing(f"{FOLDER}/sea.mp4")])
    look(catalog, scope, lambda one: inspection("v1-0abc" if "boat" in one.uri else "v1-1def"))
    with catalog.read() as session:
        assert show(session.connection(), wanted).content_id == "v1-0abc"


def test_a_name_that_fits_several_videos_names_them(catalog):
    wanted_analyses(catalog, 12)
    with catalog.read() as session, pytest.raises(SeveralVideos, match=r"0000\.mp4, .*, …"):
        show(session.connection(), ".mp4")


def test_an_exact_name_goes_before_those_that_hold_it(catalog):
    scope = register(catalog)
    record(catalog, scope, [listing(f"{FOLDER}/a.mp4"), listing(f"{FOLDER}/aa.mp4")])
    look(catalog, scope, lambda one: inspection(f"v1-{len(one.name)}"))
    with catalog.read() as session:
        assert show(session.connection(), "a.mp4").content_id == "v1-5"


@pytest.mark.parametrize("wanted", ["nothing", "100%", "v1-9", ""])
def test_a_name_that_nothing_has_says_what_may_be_given(catalog, wanted):
    with catalog.read() as session, pytest.raises(NoSuchVideo, match="content id"):
        show(session.connection(), wanted)


def test_a_file_that_could_not_be_read_is_shown_with_its_reason(catalog):
    scope = register(catalog)
    record(catalog, scope, [listing(f"{FOLDER}/noise.mp4")])
    nothing = probe(None, status=ProbeStatus.UNREADABLE, error="It cannot be opened.")
    look(catalog, scope, lambda _: inspection(None, probe=nothing))
    with catalog.read() as session:
        shown = show(session.connection(), "noise.mp4")
    assert shown.content_id is None
    assert shown.places[0].problem == "It cannot be opened."
