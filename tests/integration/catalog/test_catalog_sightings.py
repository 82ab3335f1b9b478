"""Scans that write only what differs, on both databases: nothing is lost and nothing invented."""

from __future__ import annotations

import random
from datetime import timedelta
from functools import partial

import pytest
from catalog_rows import (
    FOLDER,
    NOW,
    compare,
    end_scan,
    inspection,
    listing,
    look,
    probe,
    record,
    register,
    scan,
    start_run,
)
from sqlalchemy import event, select

from catalog import locations, scans
from catalog.detail import show
from catalog.models import Location
from catalog.scans import Seen
from catalog.values import ProbeStatus, SourceKind

LATER = NOW + timedelta(days=1)
STATUSES = [*ProbeStatus, None]


def usage(catalog, folder):
    """How every location below a folder stands, by name, but for when it was last seen."""
    with catalog.read() as session:
        rows = session.scalars(select(Location).where(Location.uri.startswith(f"{folder}/")))
        return {
            row.name: (
                row.size,
                row.etag,
                row.storage_class,
                row.probe_status,
                row.problem,
                row.video_id is None,
                row.missing_since,
            )
            for row in rows
        }


def some_inspection(dice):
    status = dice.choice(STATUSES)
    if status is None:
        return None
    unread = status in {ProbeStatus.UNREADABLE, ProbeStatus.DEFERRED} and dice.random() < 0.5
    content = None if unread else f"content {dice.randrange(6)}"
    return inspection(content, probe=probe(status=status, error="Why."))


@pytest.mark.parametrize("seed", range(6))
def test_writing_only_what_differs_leaves_the_same_as_writing_everything(catalog, seed):
    folders = [f"{FOLDER}/quick", f"{FOLDER}/careful"]
    scopes = [register(catalog, folder) for folder in folders]
    dice = random.Random(seed)
    for day in range(5):
        now = NOW + timedelta(days=day)
        changes = {
            f"{number}.mp4": {
                "size": dice.choice([1000, 1000, 1000, 7]),
                "mtime_ns": dice.choice([1, 1, 1, 2]),
                "etag": dice.choice([None, None, "a", "a", "b"]),
                "storage_class": dice.choice([None, None, None, "GLACIER"]),
            }
            for number in range(12)
            if dice.random() < 0.8
        }
        quick, careful = (
            [listing(f"{folder}/{name}", name=name, **one) for name, one in changes.items()]
            for folder in folders
        )
        counts = scan(catalog, scopes[0], quick, now)
        assert counts == (
            record(catalog, scopes[1], careful, now),
            end_scan(catalog, scopes[1], now),
        )
        found = {f"{number}.mp4": some_inspection(dice) for number in range(12)}
        for scope in scopes:
            look(catalog, scope, lambda one, found=found: found[one.name] or inspection("x"), now)
        assert usage(catalog, folders[0]) == usage(catalog, folders[1])


def test_a_scan_in_which_nothing_changed_writes_nothing(catalog):
    scope = register(catalog)
    page = [listing(f"{FOLDER}/{number}.mp4") for number in range(5)]
    scan(catalog, scope, page, NOW)
    look(catalog, scope, lambda one: inspection(one.uri))
    seen, statements = Seen(), []
    event.listen(catalog.engine, "before_cursor_execute", lambda *said: statements.append(said[2]))

    assert compare(catalog, scope, page, seen) == []
    assert end_scan(catalog, scope, LATER, seen=seen) == 0

    assert [one for one in statements if one.startswith(("UPDATE", "INSERT", "DELETE"))] == []


def test_files_that_lie_far_apart_are_compared_like_neighbours(catalog):
    scope = register(catalog)
    page = [listing(f"{FOLDER}/{number:04}.mp4") for number in range(200)]
    scan(catalog, scope, page, NOW)
    ends = [page[0], page[-1]]
    seen = Seen()

    assert compare(catalog, scope, ends, seen) == []
    assert end_scan(catalog, scope, LATER, seen=seen) == 198


def test_a_scan_that_is_over_spares_what_another_saw_meanwhile(catalog):
    scope = register(catalog)
    page = [listing(f"{FOLDER}/{name}.mp4") for name in ("old", "kept")]
    scan(catalog, scope, page, NOW)
    seen = Seen()
    compare(catalog, scope, page[1:], seen)

    # Another process lists a file that came after this one had passed, and one that was away.
    record(catalog, scope, [listing(f"{FOLDER}/new.mp4"), page[0]], LATER + timedelta(hours=1))

    assert end_scan(catalog, scope, LATER, seen=seen) == 0
    assert {one[-1] for one in usage(catalog, FOLDER).values()} == {None}


def test_what_another_saw_after_the_unseen_were_chosen_is_spared_too(catalog):
    scope = register(catalog)
    page = [listing(f"{FOLDER}/a.mp4")]
    scan(catalog, scope, page, NOW)
    with catalog.read() as session:
        unseen = scans.unseen(session.connection(), scope, Seen(), scan_began=LATER, unlisted=())
    record(catalog, scope, page, LATER)

    assert len(unseen) == 1
    mark = partial(scans.mark_missing, location_ids=unseen, scan_began=LATER, now=LATER)
    assert catalog.write(mark) == 0


@pytest.mark.parametrize(("runs", "others"), [([], False), (["a"], False), (["a", "b"], True)])
def test_another_run_that_is_not_over_may_be_scanning(catalog, runs, others):
    for run_id in runs:
        start_run(catalog, run_id, None)
    with catalog.read() as session:
        assert scans.others_scan(session.connection()) is others


def test_a_list_that_names_a_known_file_for_the_first_time_is_told_of_it(catalog):
    folder, manifest = register(catalog), register(catalog, "file:///a.txt", SourceKind.MANIFEST)
    page = [listing(f"{FOLDER}/a.mp4")]
    scan(catalog, folder, page, NOW)
    seen = Seen()

    assert compare(catalog, manifest, page, seen) == page
    scan(catalog, manifest, page, NOW)
    assert compare(catalog, manifest, page, seen) == []
    assert scan(catalog, manifest, [], LATER)[1] == 1


def test_a_prefix_shares_nothing_with_its_namesakes(catalog):
    scope = register(catalog, "s3://films/a", SourceKind.BUCKET)
    whole = register(catalog, "s3://films", SourceKind.BUCKET)
    uris = ["s3://films/a", "s3://films/a.mp4", "s3://films/a/b.mp4", "s3://films/a0.mp4"]
    scan(catalog, whole, [listing(uri, etag="x") for uri in uris], NOW)

    assert scan(catalog, scope, [], LATER)[1] == 2
    left = [name for name, one in usage(catalog, "s3://films").items() if one[-1] is None]
    assert sorted(left) == [uris[1], uris[3]]


@pytest.mark.parametrize("prefix", ["s3://films//", "s3://films/a//"])
def test_a_prefix_that_ends_in_an_empty_name_holds_what_begins_with_it_alone(catalog, prefix):
    scope = register(catalog, prefix, SourceKind.BUCKET)
    whole = register(catalog, "s3://films", SourceKind.BUCKET)
    inside = [f"{prefix}{name}" for name in ("-x.mp4", "b/c.mp4", "z.mp4")]
    outside = ["s3://films/a.mp4", "s3://films/a/b.mp4", "s3://films/z.mp4"]
    scan(catalog, whole, [listing(uri, etag="x") for uri in [*inside, *outside]], NOW)

    assert scan(catalog, scope, [], LATER)[1] == len(inside)
    left = [name for name, one in usage(catalog, "s3://films").items() if one[-1] is None]
    assert sorted(left) == sorted(outside)


def test_a_file_is_shown_as_seen_when_its_source_was_last_listed_with_it_there(catalog):
    scope = register(catalog)
    scan(catalog, scope, [listing(f"{FOLDER}/{name}.mp4") for name in ("here", "gone")], NOW)
    look(catalog, scope, lambda one: inspection(one.name))
    scan(catalog, scope, [listing(f"{FOLDER}/here.mp4")], LATER)
    record_scan = partial(locations.record_scan, scope=scope, now=LATER)

    def last_seen(name):
        with catalog.read() as session:
            return show(session.connection(), name).places[0].last_seen

    catalog.write(partial(record_scan, problem="A folder could not be read."))
    assert last_seen("here.mp4") == NOW
    catalog.write(partial(record_scan, problem=None))
    assert (last_seen("here.mp4"), last_seen("gone.mp4")) == (LATER, NOW)
