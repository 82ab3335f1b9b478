"""How many may be started in any minute, whoever asks and whatever a clock's minute is."""

from __future__ import annotations

import random
from datetime import timedelta

from catalog_rows import NOW
from sqlalchemy import func, select

from catalog import rate_limits
from catalog.models import AccountStart
from catalog.rate_limits import Limits

ENDPOINT, OTHER = "https://api.example", "https://other.example"
MINUTE = timedelta(minutes=1)


def take(catalog, wanted, limits, at, endpoint=ENDPOINT):
    return catalog.write(
        lambda session: rate_limits.take_starts(session, endpoint, wanted, limits, now=at)
    )


def test_no_sixty_seconds_hold_more_starts_than_a_minute_may(catalog):
    limits, rng, at, taken = Limits(starts_per_minute=50, in_flight=None), random.Random(7), NOW, []
    for _ in range(250):
        at += timedelta(seconds=rng.choice((0, 0.001, 0.2, 1.5, 20)) * rng.random())
        taken.append((at, take(catalog, rng.randint(1, 9), limits, at)))
    most = max(
        sum(count for other, count in taken if end - MINUTE < other <= end) for end, _ in taken
    )
    assert most == 50
    assert taken[-1][0] - NOW > 4 * MINUTE  # many a clock's minute ended meanwhile


def test_what_was_started_in_the_last_second_of_a_minute_counts_in_the_next(catalog):
    limits, late = Limits(starts_per_minute=5, in_flight=None), NOW.replace(second=59)
    assert take(catalog, 9, limits, late) == 5
    assert take(catalog, 9, limits, late + timedelta(seconds=2)) == 0
    assert take(catalog, 9, limits, late + MINUTE - timedelta(milliseconds=1)) == 0
    assert take(catalog, 9, limits, late + MINUTE) == 5


def test_each_provider_has_a_minute_of_its_own(catalog):
    limits = Limits(starts_per_minute=5, in_flight=None)
    assert [take(catalog, 9, limits, NOW, endpoint) for endpoint in (ENDPOINT, OTHER)] == [5, 5]


def test_starts_of_a_worker_whose_clock_is_ahead_count_and_absurd_ones_do_not(catalog):
    limits = Limits(starts_per_minute=5, in_flight=None)
    take(catalog, 3, limits, NOW + timedelta(days=400))
    take(catalog, 3, limits, NOW + timedelta(seconds=10))
    assert take(catalog, 9, limits, NOW) == 2


def test_what_no_longer_counts_is_forgotten(catalog):
    limits = Limits(starts_per_minute=500, in_flight=None)
    for second in range(200):
        take(catalog, 1, limits, NOW + timedelta(seconds=second))
    with catalog.read() as session:
        assert session.scalar(select(func.count()).select_from(AccountStart)) == 60
