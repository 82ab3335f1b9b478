"""Several writers at once on one catalog, meeting at the very same rows."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from catalog_rows import (
    ENDPOINT,
    FOLDER,
    NOW,
    content_of_name,
    inspection,
    jobs,
    listing,
    look,
    purchase,
    record,
    register,
    spec,
    start_run,
    tokens,
    wanted_analyses,
)
from sqlalchemy import func, select

from catalog import HEAD, analyses, budgets, holding, locations, scans, uploads, videos
from catalog.database import connect
from catalog.models import Analysis, Location, SearchDocument, Source, Upload, Video
from catalog.rate_limits import Limits
from catalog.schema import current, open_catalog
from catalog.values import SourceKind
from catalog.videos import Look

WRITERS = 6


def write_together(catalog, changes):
    """Apply every change from a thread of its own, all at the same moment; gives their results."""
    ready = threading.Barrier(len(changes))

    def write(change):
        ready.wait()
        return catalog.write(change)

    with ThreadPoolExecutor(len(changes)) as threads:
        return list(threads.map(write, changes))


def count(catalog, model):
    with catalog.read() as session:
        return session.scalar(select(func.count()).select_from(model))


def test_one_writer_waits_until_the_other_is_done(catalog):
    first_is_inside, second_is_inside = threading.Event(), threading.Event()
    met = []

    def first(session):
        register_in(session)
        first_is_inside.set()
        met.append(second_is_inside.wait(0.3))

    def second(session):
        register_in(session)
        second_is_inside.set()

    def register_in(session):
        locations.register(session, FOLDER, SourceKind.FOLDER)

    with ThreadPoolExecutor(2) as threads:
        one = threads.submit(catalog.write, first)
        first_is_inside.wait(10)
        other = threads.submit(catalog.write, second)
        one.result(10)
        other.result(10)
    assert met == [False]
    assert count(catalog, Source) == 1


def test_a_reader_does_not_wait_for_a_writer(catalog):
    def look_meanwhile(session):
        register_here = locations.register(session, FOLDER, SourceKind.FOLDER)
        assert count(catalog, Source) == 0
        return register_here

    catalog.write(look_meanwhile)
    assert count(catalog, Source) == 1


def test_a_source_registered_by_many_at_once_is_one_source(catalog):
    change = partial(locations.register, uri=FOLDER, kind=SourceKind.FOLDER)
    scopes = write_together(catalog, [change] * WRITERS)
    assert len({scope.source_id for scope in scopes}) == 1


def test_a_page_recorded_by_many_at_once_is_recorded_once(catalog):
    scope = register(catalog)
    page = [listing(f"{FOLDER}/{number}.mp4") for number in range(50)]
    change = partial(scans.record_page, scope=scope, page=page, now=NOW)
    results = write_together(catalog, [change] * WRITERS)
    assert sum(result[scans.Change.NEW] for result in results) == 50
    assert count(catalog, Location) == 50


def test_new_content_met_by_many_at_once_is_one_video(catalog):
    scope = register(catalog)
    record(catalog, scope, [listing(f"{FOLDER}/{number}.mp4") for number in range(WRITERS)])
    with catalog.read() as session:
        found = locations.unlooked(session, [scope], after_uri="", limit=100)
    same = inspection("the same")
    changes = [
        partial(videos.record_inspections, looks=[Look(location=one, inspection=same, now=NOW)])
        for one in found
    ]
    write_together(catalog, changes)
    assert (count(catalog, Video), count(catalog, SearchDocument)) == (1, 1)
    with catalog.read() as session:
        body = session.scalars(select(SearchDocument.body)).one()
    assert all(f"{number}.mp4" in body for number in range(WRITERS))


def test_analyses_wanted_by_many_at_once_are_wanted_once(catalog):
    scope = register(catalog)
    record(catalog, scope, [listing(f"{FOLDER}/{number}.mp4") for number in range(20)])
    look(catalog, scope, content_of_name)
    write_together(catalog, [partial(analyses.want, scopes=[scope], spec=spec())] * WRITERS)
    assert count(catalog, Analysis) == 20


def test_an_upload_remembered_by_many_at_once_is_remembered_once(catalog):
    wanted_analyses(catalog, 1)
    change = partial(
        uploads.remember,
        video_id=1,
        endpoint=ENDPOINT,
        download_url="https://cdn.example/v.mp4",
        expires_at=NOW,
    )
    write_together(catalog, [change] * WRITERS)
    assert count(catalog, Upload) == 1


def test_a_limit_set_by_many_at_once_is_set(catalog):
    change = partial(budgets.set_limit, scopes=["day"], limit_micros=5)
    assert all(
        usages[0].limit_micros == 5 for usages in write_together(catalog, [change] * WRITERS)
    )


def test_an_analysis_that_many_want_to_hold_at_once_is_held_once(catalog):
    ids = wanted_analyses(catalog, 10)
    changes = []
    for number in range(WRITERS):
        start_run(catalog, f"run{number}", None)
        changes.append(
            partial(
                holding.hold,
                jobs=jobs(ids),
                purchase=purchase(f"run{number}"),
                now=NOW,
                unique=tokens(f"run{number}-"),
            )
        )
    results = write_together(catalog, changes)
    assert sorted(held.job.left.analysis_id for result in results for held in result.held) == ids


def test_starts_taken_by_many_at_once_stay_within_the_accounts_limit(catalog):
    ids = wanted_analyses(catalog, 30)
    start_run(catalog, "run", None)
    held = catalog.write(
        partial(
            holding.hold,
            jobs=jobs(ids),
            purchase=purchase("run"),
            now=NOW,
            unique=tokens(),
        )
    ).held
    limits = Limits(starts_per_minute=7, in_flight=None)
    changes = [
        partial(
            holding.intend,
            prediction_ids=[one.prediction_id for one in held[number::WRITERS]],
            endpoint=ENDPOINT,
            limits=limits,
            now=NOW,
        )
        for number in range(WRITERS)
    ]
    assert sum(len(done.granted) for done in write_together(catalog, changes)) == 7


def test_a_catalog_made_by_many_at_once_is_made_once(empty_url):
    ready = threading.Barrier(WRITERS)

    def make(_):
        ready.wait()
        made = open_catalog(empty_url)
        made.close()

    with ThreadPoolExecutor(WRITERS) as threads:
        list(threads.map(make, range(WRITERS)))
    catalog = connect(empty_url)
    assert current(catalog) == HEAD
    catalog.close()
