"""The sandbox's pure parts: addresses, times, prices, pace and fault plans."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import SettingsError
from catalog.pricing import MOLMO2, MOLMO2_PRICES, OFFLINE, quote
from tasks.sandbox import options, storage, wire
from tasks.sandbox.faults import Fault, FaultDraw, FaultPlan, Scripted, Stage
from tasks.sandbox.predictions import StartGate
from tasks.sandbox.storage import upload_id


@pytest.mark.parametrize(
    ("url", "identity"),
    [
        ("https://h/a.mp4", "https://h/a.mp4"),
        ("https://h/a.mp4?X-Amz-Date=1&X-Amz-Signature=2", "https://h/a.mp4"),
        ("https://h/a.mp4?AWSAccessKeyId=1&Signature=2&Expires=3", "https://h/a.mp4"),
        ("https://h/a.mp4?versionId=4&X-Amz-Signature=2", "https://h/a.mp4?versionId=4"),
        ("https://h/a.mp4?reelcat=1#reelcat=2", "https://h/a.mp4"),
        ("https://h/a.mp4?x-reelcat=1&X-Amz-Signature=2", "https://h/a.mp4"),
        ("https://h/a.mp4#d=7.5&reelcat=2", "https://h/a.mp4#d=7.5"),
        ("https://me:secret@h/a.mp4", "https://h/a.mp4"),
        ("file:///films/a%20b.mp4", "file:///films/a%20b.mp4"),
    ],
)
def test_an_address_without_its_token_says_which_video_it_is(url, identity):
    assert storage.identity(url) == identity


@pytest.mark.parametrize(
    ("url", "seconds"),
    [
        ("https://h/a.mp4#d=7.5", Decimal("7.5")),
        ("https://h/a.mp4#reelcat=x&d=30", 30),
        ("https://h/a.mp4?d=4&x=1", 4),
        ("https://h/a.mp4#d=-1", None),
        ("https://h/a.mp4#d=NaN", None),
        ("https://h/a.mp4#d=", None),
        ("https://h/id=7.mp4", None),
    ],
)
def test_a_canned_address_may_claim_a_length(url, seconds):
    assert storage.claimed_seconds(url) == seconds


def test_an_upload_is_known_by_its_address_on_any_origin():
    id_ = "0123456789abcdef" * 2
    assert upload_id(f"https://s/storage/media/{id_}/a.mp4?x=1#reelcat=2") == id_
    assert upload_id(f"https://s/storage/text/{id_}.txt") is None
    assert upload_id("https://s/a.mp4") is None


@given(st.integers(min_value=0, max_value=4 * 10**18))
def test_a_time_that_is_written_is_read_back_to_the_nanosecond(at_ns):
    assert wire.parse_rfc3339(wire.rfc3339(at_ns)) == at_ns


@pytest.mark.parametrize(
    "text",
    ["2026-11-23", "2026-11-23T09:00:00", "2026-11-23 09:00:00Z", "2026-13-01T00:00:00Z", ""],
)
def test_what_is_not_strictly_rfc3339_is_no_time(text):
    assert wire.parse_rfc3339(text) is None


def test_an_offset_is_taken_off():
    east = wire.parse_rfc3339("2026-11-23T10:00:00+01:00")
    assert east == wire.parse_rfc3339("2026-11-23T09:00:00.000Z")


@given(st.decimals(min_value="0.001", max_value="100000", places=3))
def test_the_bill_by_blocks_is_our_quote_and_by_seconds_never_more(seconds):
    blocks = options.price_micros(MOLMO2, seconds)
    assert blocks == quote(seconds, MOLMO2_PRICES)
    assert options.price_micros(MOLMO2, seconds, options.Rounding.PER_SECOND) <= blocks
    assert options.price_micros(OFFLINE, seconds) == 0


def test_a_discount_rounds_up():
    assert options.discounted(5_000, Decimal("0.33333")) == 3_334


def test_the_gate_counts_starts_in_minutes_of_the_clock():
    gate = StartGate(per_minute=2, minute_ns=60 * wire.SECOND)
    for second in (30, 59):
        assert gate.is_open(second * wire.SECOND)
        gate.count(second * wire.SECOND)
    assert not gate.is_open(59 * wire.SECOND)
    for second in (60, 61):
        assert gate.is_open(second * wire.SECOND)
        gate.count(second * wire.SECOND)
    assert (gate.calendar_peak, gate.any_peak) == (2, 4)


def test_a_rate_is_a_share_and_the_rates_of_a_stage_are_shares_of_one_whole():
    with pytest.raises(SettingsError, match="poll-404"):
        FaultPlan(rates={Fault.POLL_404: 1.5})
    with pytest.raises(SettingsError, match="stage poll"):
        FaultPlan(rates={Fault.POLL_404: 0.6, Fault.POLL_500: 0.6})
    FaultPlan(rates={Fault.POLL_404: 0.6, Fault.SUBMIT_429: 0.6})


def test_stages_do_not_disturb_each_others_draws():
    plan = FaultPlan(rates={Fault.POLL_404: 0.5, Fault.SUBMIT_429: 0.5}, seed=1)
    quiet, busy = FaultDraw(plan), FaultDraw(plan)
    wanted = [quiet.draw(Stage.SUBMIT) for _ in range(50)]
    got = []
    for _ in range(50):
        busy.draw(Stage.POLL)
        got.append(busy.draw(Stage.SUBMIT))
    assert got == wanted
    assert len(set(wanted)) == 2


def test_each_script_line_counts_only_what_it_is_about():
    line = Scripted(fault=Fault.SUBMIT_429, first=2, times=None, about="b.mp4")
    draw = FaultDraw(FaultPlan(script=(line,)))
    struck = [draw.draw(Stage.SUBMIT, name) for name in ("a.mp4", "b.mp4", "a.mp4", "b.mp4")]
    assert struck == [None, None, None, Fault.SUBMIT_429]


def test_each_fault_has_a_sentence_of_its_own():
    for fault in Fault:
        assert fault.sentence.endswith(".")
        assert fault.__doc__ == fault.sentence
    assert len({(fault.stage, fault.sentence) for fault in Fault}) == len(Fault)
