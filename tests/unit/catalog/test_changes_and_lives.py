"""Whether a file must be opened again, and whether a run can come back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from catalog_rows import listing

from catalog.runs import HEARTBEAT_EVERY, HEARTBEAT_LEASE, Liveness, Process, is_dead
from catalog.scans import Change, Known, compare

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def known(**changes) -> Known:
    return Known(
        **{"id": 1, "size": 1000, "mtime_ns": 1, "etag": None, "storage_class": None} | changes
    )


@pytest.mark.parametrize(
    ("listed", "remembered", "expected"),
    [
        ({}, None, Change.NEW),
        ({}, {}, Change.UNCHANGED),
        ({"size": 1001}, {}, Change.CHANGED),
        ({"mtime_ns": 2}, {}, Change.CHANGED),
        ({"mtime_ns": 0}, {}, Change.CHANGED),  # an older file was put in its place
        ({"etag": "a", "mtime_ns": 2}, {"etag": "a"}, Change.UNCHANGED),  # copied onto itself
        ({"etag": "a"}, {"etag": "b"}, Change.CHANGED),
        ({"etag": "a"}, {}, Change.CHANGED),
        ({"etag": "a", "size": 1001}, {"etag": "a"}, Change.CHANGED),
        ({"name": "renamed by its source"}, {}, Change.UNCHANGED),
    ],
)
def test_a_file_is_opened_again_when_its_bytes_may_differ(listed, remembered, expected):
    before = None if remembered is None else known(**remembered)
    assert compare(listing("file:///films/a.mp4", **listed), before) is expected


def sighting(host="here", pid=7, started="1000", silent=timedelta(0)) -> Liveness:
    return Liveness(
        run_id="r",
        process=Process(host=host, pid=pid, started_at=Decimal(started)),
        heartbeat_at=NOW - silent,
    )


LIVING = {7: Decimal("1000.5")}


@pytest.mark.parametrize(
    ("seen", "dead"),
    [
        (sighting(), False),
        (sighting(silent=timedelta(days=3)), False),  # suspended, but it can come back
        (sighting(pid=8), True),
        (sighting(started="500"), True),  # the number belongs to a later process
        (sighting(started="2000"), True),
        (sighting(host="there"), False),
        (sighting(host="there", pid=8), False),
        (sighting(host="there", silent=HEARTBEAT_LEASE), False),
        (sighting(host="there", silent=HEARTBEAT_LEASE + timedelta(seconds=1)), True),
    ],
)
def test_only_a_run_that_cannot_come_back_is_dead(seen, dead):
    assert is_dead(seen, here="here", living=LIVING, now=NOW) is dead


def test_a_living_run_may_miss_several_signs_of_life():
    assert 3 * HEARTBEAT_EVERY < HEARTBEAT_LEASE
