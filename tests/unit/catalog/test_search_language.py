"""What people type into search, and what becomes of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.search import EmptyQuery, for_fts5, for_tsquery, parse


@pytest.mark.parametrize(
    ("typed", "understood"),
    [
        ("harbour", "harbour"),
        ("Harbour tour", "Harbour tour"),
        ('"old  harbour" tour', '"old harbour" tour'),
        ("tour -night", "tour -night"),
        ('tour -"old harbour"', 'tour -"old harbour"'),
        ("boat*", "boat*"),
        ('"fishing boat"*', '"fishing boat"*'),
        ('"never closed', '"never closed"'),
        ("2009-07_tour.mp4", '"2009 07 tour mp4"'),
        ("AND OR NOT NEAR", "AND OR NOT NEAR"),
        ("a'b;--", '"a b"'),
        ("tour tour", "tour"),
        ("हिन्दी", "हिन्दी"),
        ("- tour ! *", "tour"),
    ],
)
def test_what_is_typed_is_understood(typed, understood):
    assert str(parse(typed)) == understood


@pytest.mark.parametrize("typed", ["", "   ", "-night", '""', "!?*", '-"old harbour" -night'])
def test_a_query_with_no_word_to_look_for_says_what_to_do(typed):
    with pytest.raises(EmptyQuery, match="give at least one"):
        parse(typed)


@given(st.text())
def test_nothing_that_can_be_typed_breaks_the_language(typed):
    try:
        query = parse(typed)
    except EmptyQuery:
        return
    assert parse(str(query)) == query
    for rendered in (for_fts5(query), for_tsquery(query)):
        assert "\x00" not in rendered
        assert rendered.count('"') % 2 == 0
        assert rendered.count("'") % 2 == 0
