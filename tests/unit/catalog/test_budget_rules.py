"""What fits a budget, and which budgets count."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.budget_limits import BudgetUsage, allocate, free_in_all, scopes_at

QUOTES = st.lists(st.integers(0, 200_000), max_size=60)
FREE = st.none() | st.integers(0, 3_000_000)


@given(QUOTES, FREE)
def test_what_is_taken_fits_and_keeps_its_order_and_nothing_is_forgotten(quotes, free):
    found = allocate(quotes, free)
    assert free is None or found.total_micros <= free
    assert found.total_micros == sum(quotes[position] for position in found.taken)
    assert list(found.taken) == sorted(found.taken)
    assert list(found.left) == sorted(found.left)
    assert sorted(found.taken + found.left) == list(range(len(quotes)))


@given(QUOTES, FREE)
def test_what_is_left_would_not_have_fitted_at_its_turn(quotes, free):
    found = allocate(quotes, free)
    for position in found.left:
        before = sum(quotes[taken] for taken in found.taken if taken < position)
        assert before + quotes[position] > free


@given(QUOTES, FREE, st.integers(0, 200_000))
def test_a_further_wish_at_the_end_changes_nothing_before_it(quotes, free, further):
    before, after = allocate(quotes, free), allocate([*quotes, further], free)
    assert after.taken[: len(before.taken)] == before.taken


@given(QUOTES, st.integers(0, 3_000_000))
def test_equal_quotes_are_taken_the_more_the_more_is_free(quotes, free):
    same = [10_000] * len(quotes)
    assert allocate(same, free).total_micros <= allocate(same, free + 10_000).total_micros


def test_nothing_is_free_below_what_is_committed():
    assert BudgetUsage(scope="day", limit_micros=5, committed_micros=9).free_micros == 0


@given(st.lists(st.tuples(FREE, st.integers(0, 10**7)), max_size=5))
def test_the_narrowest_limit_counts_and_no_limit_limits_nothing(rows):
    usages = [
        BudgetUsage(scope=str(number), limit_micros=limit, committed_micros=committed)
        for number, (limit, committed) in enumerate(rows)
    ]
    free = free_in_all(usages)
    limited = [one for one in usages if one.limit_micros is not None]
    assert (free is None) == (not limited)
    assert all(
        one.committed_micros + free <= max(one.limit_micros, one.committed_micros)
        for one in limited
    )


@pytest.mark.parametrize(
    ("utc", "zone", "day", "month"),
    [
        ("2026-11-30T23:30", "UTC", "day:2026-11-30", "month:2026-11"),
        ("2026-11-30T23:30", "Europe/Berlin", "day:2026-12-01", "month:2026-12"),
        ("2026-12-01T04:30", "America/New_York", "day:2026-11-30", "month:2026-11"),
        ("2026-12-31T15:00", "Asia/Tokyo", "day:2027-01-01", "month:2027-01"),
    ],
)
def test_days_and_months_begin_at_midnight_where_the_user_lives(utc, zone, day, month):
    now = datetime.fromisoformat(utc).replace(tzinfo=UTC)
    scopes = scopes_at(now, run_id="r", zone=ZoneInfo(zone))
    assert list(scopes) == ["run:r", day, month]


def test_the_day_on_which_the_clocks_change_is_one_budget():
    zone = ZoneInfo("Europe/Berlin")
    midnight = datetime(2026, 10, 25, tzinfo=zone).astimezone(UTC)
    hours = [midnight + timedelta(hours=number) for number in range(25)]
    assert {scopes_at(now, run_id="r", zone=zone).day for now in hours} == {"day:2026-10-25"}
    assert scopes_at(hours[-1] + timedelta(hours=1), run_id="r", zone=zone).day == "day:2026-10-26"
