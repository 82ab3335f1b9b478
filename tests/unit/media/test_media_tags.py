from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.media.tags import MOST_TAGS, MOST_VALUE_CHARACTERS, Whereabouts, kept_tags, recorded_at

DROP, KEEP = Whereabouts.DROP, Whereabouts.KEEP


def test_vendors_names_are_shortened():
    tags = {"com.apple.quicktime.make": "Apple", "com.apple.quicktime.model": "iPhone 6"}
    assert kept_tags(tags, DROP) == {"make": "Apple", "model": "iPhone 6"}


def test_a_muxers_own_marks_are_dropped():
    assert kept_tags({"major_brand": "isom", "encoder": "Lavf", "TITLE": "x"}, DROP) == {
        "title": "x"
    }


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("location", "+32.0929+034.8620/"),
        ("location-eng", "Paris"),
        ("com.apple.quicktime.location.ISO6709", "+32.0929+034.8620+028.516/"),
        ("\xa9xyz", "x"),
        ("GPSLatitude", "53.5"),
        ("comment", "filmed at +32.0929-034.8620/ by me"),
    ],
)
def test_where_it_was_filmed_is_dropped_unless_asked_for(key, value):
    assert kept_tags({key: value}, DROP) == {}
    assert list(kept_tags({key: value}, KEEP).values()) == [value]


@given(
    st.dictionaries(st.text(st.characters(), max_size=100), st.text(st.characters()), max_size=60)
)
def test_labels_are_bounded_and_valid_text(tags):
    kept = kept_tags(tags, KEEP)
    assert len(kept) <= MOST_TAGS
    assert all(0 < len(value) <= MOST_VALUE_CHARACTERS for value in kept.values())
    json.dumps(kept, ensure_ascii=False).encode("utf-8")
    assert not any("\x00" in text for pair in kept.items() for text in pair)


def test_a_long_label_is_cut():
    assert len(kept_tags({"comment": "x" * 10**6}, DROP)["comment"]) == MOST_VALUE_CHARACTERS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2019-07-24T08:25:57.000000Z", datetime(2019, 7, 24, 8, 25, 57, tzinfo=UTC)),
        ("2019-07-24T11:25:40+0300", datetime(2019, 7, 24, 8, 25, 40, tzinfo=UTC)),
        ("2005-01-10 12:00:00", datetime(2005, 1, 10, 12, tzinfo=UTC)),
        ("1904-01-01T00:00:00.000000Z", None),
        ("1970-01-01T00:00:00.000000Z", None),
        ("2040-02-06T06:28:15.000000Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_the_time_of_recording_is_utc_or_unknown(text, expected):
    assert recorded_at({"creation_time": text}) == expected


def test_the_first_credible_time_wins():
    never_set = {"creation_time": "1904-01-01T00:00:00Z"}
    stream = {"creation_time": "2019-07-24T08:25:57Z"}
    assert recorded_at(never_set, stream) == datetime(2019, 7, 24, 8, 25, 57, tzinfo=UTC)
