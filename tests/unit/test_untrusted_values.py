"""What strangers write is bounded before it is read: nothing here may take long or raise."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tasks.foundation.untrusted_values import (
    decimal_in,
    http_date,
    integer_in,
    nanoseconds_of,
    ordinary,
    read_json,
    short,
    time_in,
)
from tasks.wavespeed.money import amount_micros, read_balance, read_bill, read_price
from tasks.wavespeed.outcomes import read_poll, read_submit
from tasks.wavespeed.wire import Answer, read_envelope, retry_after_seconds

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)

#: Each froze the process, raised, or became a number that no column holds.
HUGE = [
    *(b"1e999999999", b"-1e999999999", b"1" + b"0" * 5000, b"9" * 30, b"1." + b"1" * 5000),
    *(b"1E+400", b"NaN", b"Infinity", b"-Infinity"),
]


@pytest.mark.parametrize("number", HUGE, ids=range(len(HUGE)))
def test_a_number_beyond_bounds_is_no_number(number):
    assert read_json(b'{"a": [%s]}' % number) == {"a": [None]}


@pytest.mark.parametrize("number", [b"1e-999999999", b"0e999999999", b"-0E-99999"])
def test_what_is_as_good_as_zero_is_zero(number):
    assert read_json(number) == 0


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        b"[" * 500 + b"]" * 500,
        b'{"a":' * 100 + b"1" + b"}" * 100,
        b'{"id": "a", "id": "b"}',
        b'{"data": {"code": 200, "code": 402}}',
        b'"\xed\xa0\x80"',
        b"\xff\xfe{\x00}\x00",
        b"{",
        b"",
    ],
)
def test_what_readers_read_differently_or_not_at_all_is_no_json(data):
    assert read_json(data) is None


def test_texts_can_be_stored_whatever_they_hold():
    found = read_json(rb'{"\ud800": ["\u0000", "a\udc00b", "\ud83d\ude00"]}')
    assert found == {"?": ["\ufffd", "a?b", "\U0001f600"]}


def test_integers_fit_sixty_four_bits():
    assert integer_in(str(2**63 - 1)) == 2**63 - 1
    assert [integer_in(text) for text in (str(2**63), "1" * 5000, "٣", "1_0", " 1", "0x1")] == [
        None
    ] * 6


def test_decimals_can_be_reckoned_with():
    assert decimal_in("1e999999999") is None
    assert decimal_in("1" * 5000) is None
    assert decimal_in("nan") is None
    assert ordinary(Decimal("-1e999999999")) is None
    assert ordinary(Decimal("1e-999999999")) == 0


@pytest.mark.parametrize(
    "text",
    [
        *("9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "999999999-01-01T00:00:00Z"),
        *("2026-11-23T12:00:00Z" + "0" * 5000, "", "never"),
    ],
)
def test_times_leave_room_for_reckoning(text):
    assert time_in(text) is None


@pytest.mark.parametrize(
    "text",
    [
        *("Mon, 23 Nov 999999999 08:00:00 GMT", f"Mon, 23 Nov {'9' * 5000} 08:00:00 GMT"),
        *("Mon, 23 Nov 2026 08:00:00 +" + "9" * 30, "Fri, 31 Dec 9999 23:59:59 -2359", "x", ""),
        *("Mon, 99 Nov 2026 99:99:99 GMT", ", , , ,", "23 Nov 2026 08:00:00 +99999999999"),
    ],
)
def test_dates_of_headers_leave_room_for_reckoning(text):
    at = http_date(text)
    assert at is None or at - timedelta(days=36_500) < at
    assert retry_after_seconds({"retry-after": text}, now=NOW) in {None, 0.0, 300.0}


@pytest.mark.parametrize("text", ["9" * 5000, "1e999999999", "-1", "1" * 9, "999999999.999999999"])
def test_a_retry_after_is_some_minutes_at_most(text):
    assert retry_after_seconds({"retry-after": text}, now=NOW) in {None, 300.0}


def test_instants_fit_their_column():
    assert nanoseconds_of(datetime(2026, 1, 1, tzinfo=UTC)) == 1_767_225_600 * 10**9
    assert nanoseconds_of(datetime(9999, 1, 1, tzinfo=UTC)) == 0


def test_a_text_that_no_column_holds_is_none():
    assert short("e1", 255) == "e1"
    assert [short(text, 255) for text in ("x" * 256, "a\0", "\ud800", None)] == [None] * 4


@pytest.mark.parametrize("number", HUGE, ids=range(len(HUGE)))
@pytest.mark.parametrize("quoted", [False, True])
def test_every_answer_of_the_provider_is_read_whatever_its_numbers(number, quoted):
    value = b'"%s"' % number if quoted else number

    def answer(data: bytes, *, code: bytes = b"200") -> Answer:
        body = b'{"code": %s, "message": "m", "data": %s}' % (code, data)
        return Answer(status_code=200, headers={}, body=body)

    for data in (b'{"balance": %s}', b'{"price": %s, "discounted_price": %s}'):
        envelope = read_envelope(answer(data.replace(b"%s", value)))
        assert envelope is not None
        assert read_balance(envelope) is None
        assert read_price(envelope) is None
    line = b'{"uuid": "l", "billing_type": "deduct", "price": %s, "created_at": %s,'
    line += b'"prediction": {"uuid": "pred-1"}}'
    bill = read_envelope(answer(b'{"items": [%s], "total": %s}' % (line % (value, value), value)))
    assert bill is not None
    page = read_bill(bill)
    assert page is not None
    assert [one.amount_micros for one in page.lines] == [None]
    poll = b'{"id": "pred-1", "status": "failed", "code": %s, "error": "e"}' % value
    read_poll(answer(poll), provider_id="pred-1", now=NOW)
    read_poll(answer(poll, code=value), provider_id="pred-1", now=NOW)
    read_submit(answer(b'{"id": "pred-1", "x": %s}' % value), now=NOW)
    read_submit(answer(b'{"id": "pred-1"}', code=value), now=NOW)


def test_a_code_fits_its_column():
    body = b'{"code": 200, "data": {"id": "pred-1", "status": "failed", "code": 99999999999}}'
    answer = Answer(status_code=200, headers={}, body=body)
    assert read_poll(answer, provider_id="pred-1", now=NOW).code is None


def test_money_is_never_reckoned_with_absurd_exponents():
    absurd = ("1e999999999", "9" * 5000, Decimal("1e999999999"))
    assert [amount_micros(value) for value in absurd] == [None] * 3
