"""Where videos lie, over scans: new, renamed, moved, copied, changed, gone, back again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from catalog_rows import (
    FOLDER,
    NOW,
    content_of_name,
    end_scan,
    inspection,
    listing,
    look,
    probe,
    record,
    register,
    scan,
    spec,
    start_run,
)
from sqlalchemy import func, select

from catalog import analyses, locations, runs, videos
from catalog.models import Analysis, Location, Video
from catalog.scans import Change
from catalog.values import Order, ProbeStatus, SourceKind
from catalog.videos import Look

LATER = NOW + timedelta(days=1)
LATEST = NOW + timedelta(days=2)


def places(catalog, scope):
    with catalog.read() as session:
        return {place.uri: place for place in locations.present(session, [scope])}


def video_count(catalog):
    with catalog.read() as session:
        return session.scalar(select(func.count()).select_from(Video))


def same_content(_):
    return inspection("one content")


def test_a_renamed_file_is_the_same_video_and_its_old_place_is_missing(catalog):
    scope = register(catalog)
    scan(catalog, scope, [listing(f"{FOLDER}/a.mp4")], NOW)
    look(catalog, scope, same_content)
    changes, vanished = scan(catalog, scope, [listing(f"{FOLDER}/b.mp4")], LATER)
    assert (changes[Change.NEW], vanished) == (1, 1)
    assert look(catalog, scope, same_content) == [f"{FOLDER}/b.mp4"]
    assert list(places(catalog, scope)) == [f"{FOLDER}/b.mp4"]
    assert video_count(catalog) == 1


def test_a_copy_is_the_same_video_in_two_places(catalog):
    scope = register(catalog)
    scan(catalog, scope, [listing(f"{FOLDER}/a.mp4"), listing(f"{FOLDER}/copy/a.mp4")], NOW)
    look(catalog, scope, same_content)
    found = places(catalog, scope).values()
    assert len(found) == 2
    assert len({place.video_id for place in found}) == 1


@pytest.mark.parametrize("together", [True, False], ids=["in one group", "one by one"])
@pytest.mark.parametrize("first", [ProbeStatus.ENGINE_ERROR, ProbeStatus.OK])
def test_copies_are_the_same_video_however_their_looks_are_grouped(catalog, together, first):
    scope = register(catalog)
    copies = [listing(f"{FOLDER}/{n}.mp4", mtime_ns=n * 10**18) for n in range(1, 4)]
    scan(catalog, scope, copies, NOW)
    with catalog.read() as session:
        found = locations.unlooked(session, [scope], after_uri="", limit=10)
    measured = [probe("1", status=first), probe("2"), probe("3")]
    looks = [
        Look(location=one, inspection=inspection("one content", probe=each), now=NOW)
        for one, each in zip(found, measured, strict=True)
    ]
    for group in [looks] if together else [[one] for one in looks]:
        catalog.write(lambda session, group=group: videos.record_inspections(session, group))
    with catalog.read() as session:
        (video,) = session.scalars(select(Video))
        best = 1 if first is ProbeStatus.OK else 2
        assert (video.probe_status, video.duration_seconds) == (ProbeStatus.OK, best)
        assert video.taken_at.timestamp() == 10**9  # the first one's, though others say more
        assert {place.video_id for place in session.scalars(select(Location))} == {video.id}


def test_an_unchanged_file_is_not_looked_at_again_and_a_changed_one_is(catalog):
    scope = register(catalog)
    page = [listing(f"{FOLDER}/a.mp4"), listing(f"{FOLDER}/b.mp4")]
    scan(catalog, scope, page, NOW)
    look(catalog, scope, content_of_name)
    page[1] = listing(f"{FOLDER}/b.mp4", mtime_ns=2)
    changes, _ = scan(catalog, scope, page, LATER)
    assert changes == {Change.NEW: 0, Change.CHANGED: 1, Change.UNCHANGED: 1}
    assert look(catalog, scope, lambda _: inspection("new content")) == [f"{FOLDER}/b.mp4"]
    assert video_count(catalog) == 3


def test_a_vanished_file_comes_back_without_being_looked_at_again(catalog):
    scope = register(catalog)
    page = [listing(f"{FOLDER}/a.mp4")]
    scan(catalog, scope, page, NOW)
    look(catalog, scope, content_of_name)
    assert scan(catalog, scope, [], LATER)[1] == 1
    assert places(catalog, scope) == {}
    assert scan(catalog, scope, [], LATEST)[1] == 0  # it vanished once
    changes, _ = scan(catalog, scope, page, LATEST + timedelta(days=1))
    assert changes[Change.UNCHANGED] == 1
    assert list(places(catalog, scope)) == [f"{FOLDER}/a.mp4"]
    assert look(catalog, scope, content_of_name) == []


def test_what_lies_below_an_unreadable_folder_is_not_called_missing(catalog):
    scope = register(catalog)
    uris = [f"{FOLDER}/open/a.mp4", f"{FOLDER}/shut/b.mp4", f"{FOLDER}/shut/deep/c.mp4"]
    uris += [f"{FOLDER}/shutter.mp4", f"{FOLDER}/unreadable.mp4"]
    scan(catalog, scope, [listing(uri) for uri in uris], NOW)
    unlisted = [f"{FOLDER}/shut", f"{FOLDER}/unreadable.mp4"]
    assert scan(catalog, scope, [], LATER, unlisted=unlisted)[1] == 2
    assert sorted(places(catalog, scope)) == [uris[1], uris[2], uris[4]]


def test_thousands_of_unreadable_folders_are_no_trouble(catalog):
    scope = register(catalog)
    scan(catalog, scope, [listing(f"{FOLDER}/{n}/a.mp4") for n in range(3000)], NOW)
    unlisted = [f"{FOLDER}/{number}/" for number in range(2999)]
    assert scan(catalog, scope, [], LATER, unlisted=unlisted)[1] == 1
    assert len(places(catalog, scope)) == 2999


@pytest.mark.parametrize("size", [None, 99])
def test_a_page_that_was_read_earlier_and_written_later_makes_nothing_missing(catalog, size):
    scope = register(catalog)
    page = [listing(f"{FOLDER}/a.mp4")]
    scan(catalog, scope, page, NOW)
    record(catalog, scope, page, LATEST)
    delayed = page if size is None else [listing(f"{FOLDER}/a.mp4", size=size)]
    record(catalog, scope, delayed, LATER)
    assert not end_scan(catalog, scope, LATEST)
    assert list(places(catalog, scope)) == [f"{FOLDER}/a.mp4"]


def test_a_source_inside_another_shares_its_locations_and_calls_only_its_own_missing(catalog):
    outer, inner = register(catalog), register(catalog, f"{FOLDER}/inner")
    page = [listing(f"{FOLDER}/a.mp4"), listing(f"{FOLDER}/inner/b.mp4")]
    scan(catalog, outer, page, NOW)
    changes, _ = scan(catalog, inner, page[1:], LATER)
    assert changes[Change.UNCHANGED] == 1
    assert list(places(catalog, inner)) == [f"{FOLDER}/inner/b.mp4"]
    assert scan(catalog, inner, [], LATEST)[1] == 1
    assert list(places(catalog, outer)) == [f"{FOLDER}/a.mp4"]


def test_a_manifest_names_locations_and_one_that_it_drops_is_missing(catalog):
    kept, dropped = listing("s3://bucket/kept.mp4"), listing("s3://bucket/dropped.mp4")
    manifest = register(catalog, "file:///lists/tonight.txt", SourceKind.MANIFEST)
    scan(catalog, manifest, [kept, dropped], NOW)
    assert len(places(catalog, manifest)) == 2
    scan(catalog, manifest, [kept, kept], LATER)
    assert list(places(catalog, manifest)) == [kept.uri]


def test_a_file_as_a_source_is_itself_alone(catalog):
    one = register(catalog, f"{FOLDER}/a.mp4", SourceKind.FILE)
    register(catalog)
    record(catalog, one, [listing(f"{FOLDER}/a.mp4")])
    record(catalog, one, [listing(f"{FOLDER}/a.mp4.part")])
    assert list(places(catalog, one)) == [f"{FOLDER}/a.mp4"]


@pytest.mark.parametrize("kind", [SourceKind.FILE, SourceKind.FOLDER, SourceKind.BUCKET])
def test_thousands_of_sources_at_once_are_no_trouble(catalog, kind):
    scope = register(catalog)
    uris = [f"{FOLDER}/{number:04}" for number in range(2500)]
    record(catalog, scope, [listing(f"{uri}/a.mp4") for uri in uris[::2]])
    record(catalog, scope, [listing(uri) for uri in uris[1::2]])
    scopes = [
        locations.SourceRange(source_id=number, uri=uri, kind=kind)
        for number, uri in enumerate(uris)
    ]
    with catalog.read() as session:
        found = locations.unlooked(session, scopes, after_uri="", limit=10_000)
    expected = {SourceKind.FILE: 1250, SourceKind.FOLDER: 1250, SourceKind.BUCKET: 2500}
    assert len(found) == expected[kind]


def test_a_large_page_is_recorded_and_read_page_by_page_in_the_order_of_bytes(catalog):
    scope = register(catalog)
    names = [f"{prefix}{number:03}.mp4" for prefix in "aBcÄä_-é日 ~%" for number in range(180)]
    page = [listing(f"{FOLDER}/{name}") for name in names]
    assert len(page) > 2000
    assert record(catalog, scope, page)[Change.NEW] == len(page)
    assert record(catalog, scope, page)[Change.UNCHANGED] == len(page)
    read, after = [], ""
    with catalog.read() as session:
        while found := locations.unlooked(session, [scope], after_uri=after, limit=170):
            read += [one.listing.uri for one in found]
            after = read[-1]
    assert read == sorted((one.uri for one in page), key=str.encode)


def test_what_one_run_has_claimed_no_other_gets_as_long_as_it_lives(catalog):
    scope = register(catalog)
    record(catalog, scope, [listing(f"{FOLDER}/{name}.mp4") for name in "abc"])
    for run_id in ("one", "two"):
        start_run(catalog, run_id, None)
    a, b, c = (one.id for one in unlooked(catalog, scope, "one"))

    assert claim(catalog, [a, b], "one") == {a, b}
    assert claim(catalog, [a, b, c], "two") == {c}
    assert claim(catalog, [a, b, c], "one") == {a, b}
    assert [one.claimed for one in unlooked(catalog, scope, "one")] == [False, False, True]
    assert [one.claimed for one in unlooked(catalog, scope, "two")] == [True, True, False]


def test_what_a_run_claimed_is_free_again_when_it_gives_it_back_or_has_ended(catalog):
    scope = register(catalog)
    record(catalog, scope, [listing(f"{FOLDER}/{name}.mp4") for name in "abc"])
    for run_id in ("one", "two"):
        start_run(catalog, run_id, None)
    a, b, c = (one.id for one in unlooked(catalog, scope, "one"))
    claim(catalog, [a, b, c], "one")

    catalog.write(lambda session: locations.unclaim(session, [a], run_id="one"))
    catalog.write(lambda session: locations.unclaim(session, [b], run_id="two"))
    assert claim(catalog, [a, b, c], "two") == {a}
    catalog.write(lambda session: runs.bury(session, ["one"], now=LATER))
    assert claim(catalog, [a, b, c], "two") == {a, b, c}


def test_what_was_looked_at_can_be_claimed_by_nobody(catalog):
    scope = register(catalog)
    record(catalog, scope, [listing(f"{FOLDER}/a.mp4")])
    (one,) = unlooked(catalog, scope, "one")
    look(catalog, scope, content_of_name)

    assert claim(catalog, [one.id], "one") == set()


@pytest.mark.parametrize("status", [ProbeStatus.OK, ProbeStatus.DEFERRED, ProbeStatus.ARCHIVED])
def test_who_looked_at_a_file_has_no_claim_to_it_when_it_is_to_be_looked_at_anew(catalog, status):
    scope = register(catalog)
    record(catalog, scope, [listing(f"{FOLDER}/a.mp4")])
    for run_id in ("one", "two"):
        start_run(catalog, run_id, None)
    (one,) = unlooked(catalog, scope, "one")
    claim(catalog, [one.id], "one")
    if status is ProbeStatus.ARCHIVED:
        catalog.write(
            lambda session: locations.record_problem(session, one.id, status=status, problem="far")
        )
    else:
        look(catalog, scope, lambda _: inspection("of it", probe=probe(status=status)))
    record(catalog, scope, [listing(f"{FOLDER}/a.mp4", size=2000)], LATER)

    assert [one.claimed for one in unlooked(catalog, scope, "two")] == [False]
    assert claim(catalog, [one.id], "two") == {one.id}


def claim(catalog, location_ids, run_id):
    return catalog.write(lambda session: locations.claim(session, location_ids, run_id=run_id))


def unlooked(catalog, scope, run_id):
    with catalog.read() as session:
        return locations.unlooked(session, [scope], after_uri="", limit=10, run_id=run_id)


def test_a_deferred_file_is_looked_at_again_and_has_no_video_until_then(catalog):
    scope = register(catalog)
    page = [listing(f"{FOLDER}/growing.mp4")]
    scan(catalog, scope, page, NOW)
    growing = inspection("half of it", probe=probe(status=ProbeStatus.DEFERRED, error="growing"))
    look(catalog, scope, lambda _: growing)
    assert video_count(catalog) == 0
    assert look(catalog, scope, lambda _: growing) == []  # not twice in one scan
    scan(catalog, scope, page, LATER)
    assert look(catalog, scope, same_content) == [f"{FOLDER}/growing.mp4"]
    assert video_count(catalog) == 1


def test_a_file_that_no_engine_could_look_at_is_looked_at_again(catalog):
    scope = register(catalog)
    page = [listing(f"{FOLDER}/a.mp4")]
    scan(catalog, scope, page, NOW)
    crashed = probe(None, status=ProbeStatus.ENGINE_ERROR, error="The engine crashed.")
    look(catalog, scope, lambda _: inspection("content", probe=crashed))
    scan(catalog, scope, page, LATER)
    assert look(catalog, scope, lambda _: inspection("content")) == [f"{FOLDER}/a.mp4"]
    with catalog.read() as session:
        assert session.scalars(select(Video.probe_status)).all() == [ProbeStatus.OK]


def test_a_better_look_at_known_content_replaces_a_worse_one_and_never_the_other_way(catalog):
    scope = register(catalog)
    bad = inspection("content", probe=probe(None, status=ProbeStatus.UNREADABLE, error="Broken."))
    for number, given in enumerate([bad, inspection("content"), bad]):
        record(catalog, scope, [listing(f"{FOLDER}/{number}.mp4")])
        look(catalog, scope, lambda _, given=given: given)
    with catalog.read() as session:
        video = session.scalars(select(Video)).one()
    assert (video.probe_status, video.probe_error) == (ProbeStatus.OK, None)
    assert video.duration_seconds == 10


def test_an_archived_object_is_left_alone_until_it_is_restored(catalog):
    scope = register(catalog, "s3://bucket/films", SourceKind.BUCKET)
    archived = listing("s3://bucket/films/a.mp4", etag="e", storage_class="GLACIER")
    scan(catalog, scope, [archived], NOW)
    catalog.write(
        lambda session: locations.record_problem(
            session, 1, status=ProbeStatus.ARCHIVED, problem="It is archived (GLACIER)."
        )
    )
    scan(catalog, scope, [archived], LATER)
    assert look(catalog, scope, same_content) == []
    restored = listing("s3://bucket/films/a.mp4", etag="e", storage_class=None)
    scan(catalog, scope, [restored], LATEST)
    with catalog.read() as session:
        found = locations.unlooked(session, [scope], after_uri="", limit=10)
    assert [one.listing for one in found] == [restored]


def test_another_storage_class_alone_does_not_have_a_video_looked_at_again(catalog):
    scope = register(catalog, "s3://bucket/films", SourceKind.BUCKET)
    uri = "s3://bucket/films/a.mp4"
    scan(catalog, scope, [listing(uri, etag="e", storage_class=None)], NOW)
    look(catalog, scope, same_content)
    scan(catalog, scope, [listing(uri, etag="e", storage_class="STANDARD_IA")], LATER)
    assert look(catalog, scope, same_content) == []
    with catalog.read() as session:
        assert session.scalars(select(Location.storage_class)).all() == ["STANDARD_IA"]


def test_a_look_at_a_file_that_was_replaced_meanwhile_is_not_taken_for_the_new_one(catalog):
    scope = register(catalog)
    record(catalog, scope, [listing(f"{FOLDER}/a.mp4")])
    with catalog.read() as session:
        looked_at = locations.unlooked(session, [scope], after_uri="", limit=1)[0]
    record(catalog, scope, [listing(f"{FOLDER}/a.mp4", size=2000, mtime_ns=2)], LATER)
    catalog.write(
        lambda session: videos.record_inspections(
            session, [Look(location=looked_at, inspection=inspection("the old content"), now=LATER)]
        )
    )
    assert look(catalog, scope, lambda _: inspection("the new content")) == [f"{FOLDER}/a.mp4"]
    with catalog.read() as session:
        found = session.execute(select(Video.content_id).join(Location)).scalars().all()
    assert found == ["the new content"]


def test_a_video_is_sent_from_where_it_lies_now(catalog):
    scope = register(catalog)
    page = [listing(f"{FOLDER}/a.mp4"), listing(f"{FOLDER}/b.mp4")]
    scan(catalog, scope, page, NOW)
    look(catalog, scope, same_content)
    scan(catalog, scope, page[1:], LATER)

    def place(prefer):
        with catalog.read() as session:
            return locations.places_to_read(session, {1: prefer}).get(1)

    assert place(f"{FOLDER}/a.mp4").uri == f"{FOLDER}/b.mp4"
    scan(catalog, scope, page, LATEST)
    assert place(f"{FOLDER}/b.mp4").uri == f"{FOLDER}/b.mp4"
    assert place(None).uri == f"{FOLDER}/a.mp4"
    scan(catalog, scope, [], LATEST + timedelta(days=1))
    assert place(None) is None


def test_only_usable_videos_that_lie_there_are_wanted_and_only_once(catalog):
    scope = register(catalog)
    names = ["ok", "copy", "gone", "broken", "unlooked"]
    scan(catalog, scope, [listing(f"{FOLDER}/{name}.mp4") for name in names[:4]], NOW)
    broken = probe(None, status=ProbeStatus.TRUNCATED, error="It is cut off.")
    given = {
        "ok.mp4": inspection("same"),
        "copy.mp4": inspection("same"),
        "gone.mp4": inspection("gone"),
        "broken.mp4": inspection("broken", probe=broken),
    }
    look(catalog, scope, lambda listed: given[listed.name])
    scan(
        catalog,
        scope,
        [listing(f"{FOLDER}/{name}.mp4") for name in names if name != "gone"],
        LATER,
    )
    for _ in range(2):
        catalog.write(lambda session: analyses.want(session, [scope], spec()))
    with catalog.read() as session:
        wanted = session.execute(
            select(Video.content_id).join(Analysis, Analysis.video_id == Video.id)
        )
        assert wanted.scalars().all() == ["same"]
        left = list(analyses.stream(session, [scope], spec(), Order.PATH))
    assert [one.name for one in left] == ["copy.mp4", "ok.mp4"]
