"""Which engine is believed, told with engines that say what they are told to say."""

from __future__ import annotations

import io
from dataclasses import replace
from decimal import Decimal

from catalog.values import ProbeStatus
from tasks.media.engine import EngineFailed, Media, Moments, NotMedia, Report, Stream
from tasks.media.inspect import probe

SIZE = 1_000_000
PICTURE = Stream(kind="video", codec="h264", width=160, height=120)
GOOD = Report(
    container="flv",
    duration_seconds=Decimal(10),
    start_seconds=Decimal(0),
    streams=(PICTURE,),
    tags={},
)
ENDLESS = replace(GOOD, duration_seconds=None)
TEN_SECONDS = Moments(first=Decimal(0), last=Decimal(10))


class Told:
    """An engine that answers as it was told, and counts how often it was asked."""

    def __init__(self, name, answer, moments=None):
        self.name = name
        self.answer = answer
        self.found = moments
        self.asked = 0

    def report(self, media):
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def moments(self, media, *, seek_to):
        return self.found


def looked_at(*engines):
    head = b"FLV\x01\x05" + bytes(100)
    return probe(Media(file=io.BytesIO(head), size=SIZE, path=None, near=True), engines)


def test_a_believable_first_answer_leaves_the_second_engine_alone():
    second = Told("second", GOOD, TEN_SECONDS)
    assert looked_at(Told("first", GOOD, TEN_SECONDS), second).engine == "first"
    assert second.asked == 0


def test_a_failed_engine_is_replaced_by_the_second():
    answer = looked_at(Told("first", EngineFailed("It broke.")), Told("second", GOOD, TEN_SECONDS))
    assert (answer.engine, answer.status) == ("second", ProbeStatus.OK)


def test_an_unknown_duration_is_asked_of_the_second():
    answer = looked_at(Told("first", ENDLESS), Told("second", GOOD, TEN_SECONDS))
    assert (answer.engine, answer.duration_seconds) == ("second", 10)


def test_an_unknown_codec_is_asked_of_the_second():
    nameless = replace(GOOD, streams=(replace(PICTURE, codec=None),))
    answer = looked_at(Told("first", nameless, TEN_SECONDS), Told("second", GOOD, TEN_SECONDS))
    assert (answer.engine, answer.video_codec) == ("second", "h264")


def test_a_second_opinion_that_knows_less_is_not_taken():
    answer = looked_at(Told("first", ENDLESS), Told("second", NotMedia()))
    assert (answer.engine, answer.status) == ("first", ProbeStatus.OK)


def test_two_failures_are_an_engine_error_of_the_first():
    answer = looked_at(
        Told("first", EngineFailed("It broke.")), Told("second", EngineFailed("Me."))
    )
    assert (answer.engine, answer.status) == ("first", ProbeStatus.ENGINE_ERROR)
    assert answer.error == "It broke."


def test_the_larger_of_two_pictures_counts():
    large = replace(PICTURE, width=640, height=480)
    both = replace(GOOD, streams=(PICTURE, large))
    answer = looked_at(Told("first", both, TEN_SECONDS))
    assert (answer.width, answer.height) == (640, 480)
