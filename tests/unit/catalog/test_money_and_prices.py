"""Amounts and quotes: exact, against us where they must be rounded, and unknown when unknown."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import SettingsError
from catalog.money import dollars, micros, parse_dollars, show
from catalog.pricing import (
    MOLMO2_PRICES,
    OFFLINE_PRICES,
    quote,
)

AMOUNTS = st.integers(-(10**15), 10**15)


@given(AMOUNTS)
def test_micro_dollars_survive_the_way_through_dollars(amount):
    assert micros(dollars(amount)) == amount


@given(AMOUNTS)
def test_dollars_show_at_least_two_decimals_and_never_an_exponent(amount):
    written = str(dollars(amount))
    assert "E" not in written
    assert len(written.partition(".")[2]) >= 2


@given(st.decimals(0, 10**6, allow_nan=False, places=9))
def test_a_fraction_of_a_micro_dollar_is_rounded_up(amount):
    assert 0 <= micros(amount) - amount * 1_000_000 < 1


@given(st.integers(0, 10**15))
def test_what_is_shown_can_be_read_again(amount):
    assert parse_dollars(show(amount).replace(",", ""), setting="--budget") == amount


@pytest.mark.parametrize(
    ("text", "expected"),
    [("25", 25_000_000), ("$0.50", 500_000), (" 0.000001 ", 1), ("0", 0), ("1e2", 100_000_000)],
)
def test_an_amount_is_read_as_a_person_writes_it(text, expected):
    assert parse_dollars(text, setting="--budget") == expected


@pytest.mark.parametrize(
    "text",
    [
        *["", "abc", "12 USD", "1,000", "-1", "$-1", "nan", "sNaN", "inf", "-inf"],
        *["0.0000001", "1e-999999", "1000000001", "1e999999"],
    ],
)
def test_what_is_no_amount_is_refused_with_the_setting_and_the_text(text):
    with pytest.raises(SettingsError) as refused:
        parse_dollars(text, setting="--budget")
    assert "--budget" in str(refused.value)
    assert repr(text) in str(refused.value)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ("0.001", 5_000),  # the least
        ("5", 5_000),
        ("5.000001", 10_000),  # a started step is paid
        ("7", 10_000),
        ("10", 10_000),
        ("30", 30_000),
        ("60", 60_000),
        ("119.99", 120_000),
        ("120", 120_000),
        ("120.01", 120_000),  # the most
        ("86400", 120_000),
    ],
)
def test_a_quote_is_every_started_step_between_the_least_and_the_most(seconds, expected):
    assert quote(Decimal(seconds), MOLMO2_PRICES) == expected


@pytest.mark.parametrize("seconds", [None, "0", "-1", "NaN", "Infinity", "-Infinity"])
def test_a_length_that_is_unknown_or_no_length_has_no_price(seconds):
    duration = None if seconds is None else Decimal(seconds)
    assert quote(duration, MOLMO2_PRICES) is None
    assert quote(duration, OFFLINE_PRICES) == 0


@given(st.decimals("0.000001", "100000", places=6), st.decimals("0.000001", "100000", places=6))
def test_a_longer_video_never_costs_less_and_a_quote_covers_the_per_second_price(one, other):
    shorter, longer = sorted([one, other])
    assert quote(shorter, MOLMO2_PRICES) <= quote(longer, MOLMO2_PRICES)
    assert quote(shorter, MOLMO2_PRICES) >= min(shorter, Decimal(120)) * 1_000
