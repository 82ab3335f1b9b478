"""Search, on both databases."""

from __future__ import annotations

import pytest
from catalog_rows import FOLDER, inspection, listing, look, probe, record, register
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.search import EmptyQuery, parse, search


def shelve(catalog, **titles):
    """Add a video for each file name, with a title."""
    scope = register(catalog)
    record(catalog, scope, [listing(f"{FOLDER}/{name.replace('__', '.')}") for name in titles])
    look(
        catalog,
        scope,
        lambda one: inspection(
            f"v1-{one.name}"[:64], probe=probe(tags={"title": titles[one.name.replace(".", "__")]})
        ),
    )


def names(catalog, typed, limit=20):
    with catalog.read() as session:
        found = search(session.connection(), parse(typed), limit=limit)
    return sorted(hit.names[0] for hit in found.hits)


@pytest.fixture
def harbour(catalog):
    shelve(
        catalog,
        tour__mp4="The old harbour, a tour by boat",
        night__mp4="The harbour at night; an old boat",
        boats__mp4="Boating on the lake",
    )
    return catalog


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("harbour", ["night.mp4", "tour.mp4"]),
        ("HARBOUR boat", ["night.mp4", "tour.mp4"]),
        ('"old harbour"', ["tour.mp4"]),
        ("harbour -night", ["tour.mp4"]),
        ('harbour -"old harbour"', ["night.mp4"]),
        ("boat*", ["boats.mp4", "night.mp4", "tour.mp4"]),
        ("boats.mp4", ["boats.mp4"]),
        ("submarine", []),
        ("harbour -boat*", []),
    ],
)
def test_words_phrases_exclusions_and_beginnings_find_what_they_say(harbour, typed, found):
    assert names(harbour, typed) == found


def test_a_hit_says_where_its_words_are(harbour):
    with harbour.read() as session:
        (hit,) = search(session.connection(), parse("lake"), limit=5).hits
    assert hit.content_id == "v1-boats.mp4"
    assert hit.score > 0
    assert [hit.snippet[start:end] for start, end in hit.matches] == ["lake"]


def test_a_page_of_hits_says_how_many_there_are(harbour):
    with harbour.read() as session:
        found = search(session.connection(), parse("boat*"), limit=2)
    assert len(found.hits) == 2
    assert found.total == 3


def test_a_video_in_two_places_is_found_once_with_both_names(catalog):
    scope = register(catalog)
    record(catalog, scope, [listing(f"{FOLDER}/a.mp4"), listing(f"{FOLDER}/copy of a.mp4")])
    look(catalog, scope, lambda _: inspection("v1-same"))
    with catalog.read() as session:
        (hit,) = search(session.connection(), parse("copy"), limit=5).hits
    assert hit.names == ("a.mp4", "copy of a.mp4")


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(typed=st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_whatever_is_typed_the_database_understands_it(catalog, typed):
    with catalog.read() as session:
        try:
            search(session.connection(), parse(typed), limit=1)
        except EmptyQuery:
            return
