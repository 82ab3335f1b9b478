"""In which order what is left comes, however much of it is looked up before the rest is sorted."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from catalog_rows import (
    FOLDER,
    NOW,
    inspection,
    listing,
    look,
    probe,
    record,
    register,
    scan,
    spec,
)
from sqlalchemy import select

from catalog import analyses
from catalog.models import Location, Video
from catalog.values import AnalysisType, Order

FILMS = 12
BOTH = spec(AnalysisType.SUMMARY, AnalysisType.GENERAL)


@pytest.fixture
def films(catalog):
    """Films of few times and lengths, some unknown; some in two places, in two folders, gone."""
    dice = random.Random(7)
    folders = [register(catalog, f"{FOLDER}/{name}") for name in "ab"]
    for scope in folders:
        page = [listing(f"{scope.uri}/{number:02}.mp4") for number in range(FILMS)]
        record(catalog, scope, dice.sample(page, FILMS))
        look(
            catalog,
            scope,
            lambda one: inspection(
                f"film {one.uri[-6:]}" if one.uri[-5] in "02468" else one.uri,
                probe=probe(
                    dice.choice([None, "5", "10", "20"]),
                    recorded_at=NOW + timedelta(days=dice.randint(0, 4)),
                ),
            ),
        )
        scan(catalog, scope, page[2:], NOW + timedelta(days=1))
        catalog.write(lambda session: analyses.want(session, folders, BOTH))
    return catalog, folders


def in_order(session, order):
    """Say what is to come, by a key that Python sorts by."""
    rows = session.execute(
        select(Location.uri, Video.taken_at, Video.duration_seconds)
        .join(Video, Video.id == Location.video_id)
        .where(Location.missing_since.is_(None))
    ).all()

    def key(row):
        seconds = row.duration_seconds
        first = {
            Order.NEWEST: -row.taken_at.timestamp(),
            Order.OLDEST: row.taken_at.timestamp(),
            Order.SHORTEST: (seconds is None, seconds or 0),
            Order.LONGEST: (seconds is None, -(seconds or 0)),
            Order.PATH: 0,
        }[order]
        return first, row.uri

    return [row.uri for row in sorted(rows, key=key) for _ in BOTH.tasks]


@pytest.mark.parametrize("order", list(Order))
def test_what_is_left_comes_in_its_order_however_much_is_looked_up_first(films, order):
    catalog, folders = films
    with catalog.read() as session:
        wanted = in_order(session, order)
        sorted_alone = list(analyses.stream(session, folders, BOTH, order))
        assert [left.uri for left in sorted_alone] == wanted
        for at_first in range(1, 2 * FILMS):
            found = list(analyses.stream(session, folders, BOTH, order, at_first=at_first))
            assert found == sorted_alone
            of_one = list(analyses.stream(session, folders[:1], BOTH, order, at_first=at_first))
            here = [left for left in sorted_alone if left.uri.startswith(f"{folders[0].uri}/")]
            assert of_one == here
