from __future__ import annotations

from fractions import Fraction

import pytest

from tasks.sandbox.vision.measure import read_texts, subtitle_text
from tasks.sandbox.vision.signals import Chapter, SubtitleLine


def read(tags, chapters=(), lines=()):
    return read_texts(tags, chapters, subtitle_tracks=0, lines=lines)


def test_tags_are_found_whatever_their_case():
    texts = read({"TITLE": "Harbour", "Comment": "reel 3"})

    assert (texts.title, texts.comment) == ("Harbour", "reel 3")


def test_where_a_video_was_taken_is_not_read():
    texts = read({"com.apple.quicktime.location.ISO6709": "+32.09+034.86/", "location": "+1+1/"})

    assert texts == read({})


@pytest.mark.parametrize(
    ("tags", "device"),
    [
        ({"make": "Acme", "model": "Cam 2"}, "Acme Cam 2"),
        ({"make": "Acme", "model": "ACME Cam 2"}, "ACME Cam 2"),
        ({"model": "Cam 2"}, "Cam 2"),
        ({"com.apple.quicktime.make": "Apple"}, "Apple"),
        ({}, None),
    ],
)
def test_a_device_is_its_make_and_model(tags, device):
    assert read(tags).device == device


@pytest.mark.parametrize(
    ("value", "day"),
    [
        ("2019-07-24T08:25:57.000000Z", "2019-07-24"),
        ("1904-01-01T00:00:00Z", "1904-01-01"),
        ("yesterday", None),
        ("0000-00-00", None),
    ],
)
def test_a_date_is_a_day_or_nothing(value, day):
    assert read({"creation_time": value}).recorded_on == day


def test_a_title_is_one_printable_line_of_bounded_length():
    title = read({"title": "a\x1b[31m\n b" + "x" * 500}).title

    assert title is not None
    assert title.isprintable()
    assert title.startswith("a [31m b")
    assert len(title) <= 160


def test_chapters_keep_their_start_and_title():
    chapter = {
        "start": 2_500,
        "time_base": Fraction(1, 1000),
        "metadata": {"title": "Two"},
    }

    assert read({}, [chapter]).chapters == (Chapter(start_seconds=2.5, title="Two"),)


def test_very_many_lines_and_chapters_are_cut():
    lines = [SubtitleLine(start_seconds=n, text="x") for n in range(1000)]
    chapters = [{"start": n, "time_base": Fraction(1), "metadata": {}} for n in range(1000)]

    texts = read({}, chapters, lines)

    assert len(texts.subtitle_lines) == 200
    assert len(texts.chapters) == 50


def test_subtitles_lose_their_styling_and_keep_their_words():
    assert subtitle_text(rb"{\an8}<i>Good\Nnight</i>") == "Good night"
    assert subtitle_text(b"\xff\xfe broken") == "\ufffd\ufffd broken"
