from __future__ import annotations

from decimal import Decimal

import pytest

from catalog.values import DurationSource
from tasks.media.containers import Family, Layout
from tasks.media.duration import (
    Check,
    claimed_length,
    claimed_seconds,
    measured_length,
    needed_check,
    plausible,
)
from tasks.media.engine import Moments, Report, Stream

MB = 1_000_000
WHOLE = Layout(family=Family.MP4, promised_bytes=MB, index_whole=True)


def report(seconds, *, container="mov,mp4", start="0", streams=()):
    known = None if seconds is None else Decimal(seconds)
    return Report(
        container=container,
        duration_seconds=known,
        start_seconds=Decimal(start),
        streams=streams,
        tags={},
    )


def picture(seconds, *, still=False):
    return Stream(kind="video", duration_seconds=Decimal(seconds), still=still)


def test_the_longest_claim_counts():
    assert claimed_seconds(report("4", streams=(picture("10"), picture("7")))) == 10


def test_cover_art_claims_nothing():
    assert claimed_seconds(report("4", streams=(picture("999", still=True),))) == 4


@pytest.mark.parametrize("seconds", [None, "0", "-1"])
def test_no_claim_is_no_duration(seconds):
    assert claimed_seconds(report(seconds)) is None


@pytest.mark.parametrize(
    ("seconds", "size", "expected"),
    [
        ("10", MB, True),
        ("143165", 106_093, False),  # 6 bit/s
        ("0.001", 200 * MB, False),  # 1.6 Tbit/s
        ("362.8", 816_689, True),  # black, 18 kbit/s
        (None, MB, False),
        ("0", MB, False),
    ],
)
def test_a_duration_is_plausible_if_so_many_bytes_can_last_so_long(seconds, size, expected):
    assert plausible(None if seconds is None else Decimal(seconds), size) is expected


@pytest.mark.parametrize(
    ("claim", "layout", "near", "check"),
    [
        ("10", WHOLE, True, Check.NONE),
        ("10", WHOLE, False, Check.NONE),
        (None, WHOLE, True, Check.TAIL),
        (None, WHOLE, False, Check.TAIL),
        ("90000", WHOLE, True, Check.TAIL),  # a day and an hour
        ("10", Layout(), True, Check.TAIL),  # nothing vouches for the size
        ("10", Layout(), False, Check.NONE),
        ("10", Layout(family=Family.MP4, promised_bytes=MB + 1), True, Check.SCAN),
        ("10", Layout(family=Family.MP4, promised_bytes=MB + 1), False, Check.GIVE_UP),
        ("10", Layout(family=Family.MP4, promised_bytes=MB + 1, fragmented=True), True, Check.NONE),
    ],
)
def test_only_doubt_is_worth_reading(claim, layout, near, check):
    assert needed_check(report(claim), layout, size=MB, near=near) is check


def test_a_plausible_claim_is_taken_from_the_header():
    length = claimed_length(report("10"), MB)
    assert (length.seconds, length.source) == (10, DurationSource.HEADER)


def test_broadcast_streams_have_been_measured_by_the_engine():
    assert claimed_length(report("10", container="mpegts"), MB).source is DurationSource.TAIL


def test_an_implausible_claim_is_unknown():
    length = claimed_length(report("143165"), 106_093)
    assert (length.seconds, length.source) == (None, DurationSource.NONE)


def moments(first, last):
    return Moments(first=Decimal(first), last=Decimal(last))


def test_what_was_read_counts_from_where_the_recording_begins():
    length = measured_length(report(None, start="3600"), moments("3607", "3610"), MB)
    assert (length.seconds, length.source) == (10, DurationSource.TAIL)


def test_reading_from_the_start_is_a_scan():
    assert measured_length(report(None), moments("0", "10"), MB).source is DurationSource.SCAN


def test_a_claim_slightly_longer_than_the_packets_is_kept():
    assert measured_length(report("10"), moments("7", "9.9"), MB).seconds == 10


def test_packets_beyond_the_claim_count():
    assert measured_length(report("10"), moments("7", "20"), MB).seconds == 20


def test_packets_that_end_far_before_the_claim_count():
    assert measured_length(report("10"), moments("0", "5"), MB).seconds == 5


@pytest.mark.parametrize("read", [None, moments("0", "999999999")])
def test_nothing_sensible_read_is_unknown(read):
    length = measured_length(report(None), read, MB)
    assert (length.seconds, length.source) == (None, DurationSource.NONE)
