import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.values import ProviderQuote
from tasks.wavespeed.money import (
    amount_micros,
    collect_lines,
    read_balance,
    read_bill,
    read_price,
)
from tasks.wavespeed.paging import PageEnd
from tasks.wavespeed.wire import Answer, Envelope, read_envelope

ID = "e6832d4abffb4d79bfbca19783fca133"


def opened(data: str) -> Envelope:
    body = f'{{"code":200,"message":"success","data":{data}}}'.encode()
    envelope = read_envelope(Answer(status_code=200, headers={}, body=body))
    assert envelope is not None
    return envelope


@pytest.mark.parametrize(
    ("data", "micros"),
    [
        ('{"balance": 12.345678}', 12_345_678),
        ('{"balance": 12.3456789}', 12_345_678),
        ('{"balance": 5}', 5_000_000),
        ('{"balance": 0}', 0),
        ('{"balance": -0.01}', -10_000),
        ('{"balance": "7.5"}', 7_500_000),
        ('{"balance": 0.1}', 100_000),
        ('{"balance": null}', None),
        ('{"balance": "plenty"}', None),
        ('{"balance": true}', None),
        ('{"balance": 1e999999999}', None),
        ('{"balance": NaN}', None),
        ("{}", None),
        ("null", None),
        ("[]", None),
    ],
)
def test_the_balance_is_dollars_or_unknown(data, micros):
    assert read_balance(opened(data)) == micros


@pytest.mark.parametrize(
    ("data", "micros"),
    [
        ('{"price": 0.12, "discounted_price": 0.108, "currency": "USD"}', 108_000),
        ('{"price": 0.12}', 120_000),
        ('{"price": 0.12, "discounted_price": null}', 120_000),
        ('{"price": 0.12, "discounted_price": 0}', 120_000),
        ('{"price": 0, "discounted_price": 0}', 0),
        ('{"discounted_price": 0}', 0),
        ('{"price": 5000}', 5_000),
        ('{"price": 24300, "discounted_price": 21870}', 21_870),
        ('{"price": 1.8}', 1_800_000),
        ('{"price": -0.12}', None),
        ('{"price": 0.12, "currency": "EUR"}', None),
        ('{"unit_price": 0.005, "currency": "USD"}', None),
        ("{}", None),
        ("[0.12]", None),
        ("null", None),
    ],
)
def test_the_price_is_what_the_account_pays_or_unknown(data, micros):
    expected = None if micros is None else ProviderQuote(price_micros=micros)
    assert read_price(opened(data)) == expected


@pytest.mark.parametrize(
    ("value", "micros"),
    [
        (Decimal("0.005"), 5_000),
        (Decimal("0.12"), 120_000),
        (Decimal("0.12000000000000001"), 120_000),
        (Decimal("-0.06"), 60_000),
        (Decimal("1e-400"), 0),
        (Decimal("1e-999999999"), 0),
        ("0.03", 30_000),
        (0, 0),
        (1000, 1_000),
        (24300, 24_300),
        (-24300, 24_300),
        (1_000_000, 1_000_000),
        (1, 1_000_000),
        (15, 15_000_000),
        (999, 999_000_000),
        (1_000_001, 1_000_001),
        (15_000_000, 15_000_000),
        (Decimal("24300.0"), None),
        (Decimal("1.80"), 1_800_000),
        (Decimal("15.00"), 15_000_000),
        ("15.00", 15_000_000),
        ("0.05 USD", None),
        (Decimal("1e999999999"), None),
        ("24300", None),
        (None, None),
        (True, None),
        ("free", None),
        ({}, None),
    ],
)
def test_an_amount_is_dollars_micro_dollars_or_unknown(value, micros):
    assert amount_micros(value) == micros


@given(st.integers(1_000, 999_999))
def test_both_spellings_of_an_amount_are_the_same_amount(micros):
    dollars = json.loads(str(Decimal(micros) / 1_000_000), parse_float=Decimal)
    assert amount_micros(dollars) == amount_micros(micros) == micros


def test_a_line_of_the_bill_is_read():
    line = {
        "uuid": "b-1",
        "billing_type": "deduct",
        "price": 0.015,
        "created_at": "2026-11-20T06:09:15.948268264Z",
        "order": {"uuid": "o-1", "state": "pre"},
        "prediction": {"uuid": ID, "model_uuid": "m", "status": "created"},
    }
    page = read_bill(opened(json.dumps({"items": [line], "total": 1})))
    assert page is not None
    (row,) = page.lines
    assert (row.uuid, row.provider_id, row.kind, row.amount_micros) == (
        "b-1",
        ID,
        "deduct",
        15_000,
    )
    assert row.created_at == datetime(2026, 11, 20, 6, 9, 15, 948268, tzinfo=UTC)


def test_a_charge_whose_amount_is_unclear_is_still_a_charge():
    line = {"uuid": "b", "billing_type": "deduct", "price": 24300.5, "prediction": {"uuid": ID}}
    page = read_bill(opened(json.dumps({"items": [line]})))
    assert page is not None
    assert [row.amount_micros for row in page.lines] == [None]


def test_two_lines_without_an_id_on_one_page_are_two_and_again_on_the_next_page_the_same_two():
    line = {"price": 0.01, "billing_type": "deduct", "prediction": {"uuid": ID}}
    pages = [read_bill(opened(json.dumps({"items": [line, line]}))) for _ in range(2)]
    found = {}
    for page in pages:
        collect_lines(found, page.lines)
    assert [row.amount_micros for row in found.values()] == [10_000, 10_000]


def test_a_deduction_and_its_refund_may_share_an_id():
    line = {"uuid": "o-1", "price": 0.01, "prediction": {"uuid": ID}}
    both = [{**line, "billing_type": kind} for kind in ("deduct", "refund")]
    found = {}
    collect_lines(found, read_bill(opened(json.dumps({"items": both}))).lines)
    assert [row.kind for row in found.values()] == ["deduct", "refund"]


def test_a_line_that_says_two_amounts_has_none_that_can_be_told():
    line = {"uuid": "b", "billing_type": "deduct", "prediction": {"uuid": ID}}
    both = [{**line, "price": 0.01}, {**line, "price": 0.02}]
    found = {}
    collect_lines(found, read_bill(opened(json.dumps({"items": both}))).lines)
    assert [row.amount_micros for row in found.values()] == [None]


def test_what_names_no_prediction_or_no_kind_or_other_money_is_a_line_all_the_same():
    lines = [
        {"uuid": "t", "billing_type": "recharge", "price": 100},
        "odd",
        None,
        {"uuid": "k", "price": 0.01, "prediction": {"uuid": ID}},
        {
            "uuid": "e",
            "billing_type": "deduct",
            "price": 0.01,
            "currency": "EUR",
            "prediction": {"uuid": ID},
        },
    ]
    page = read_bill(opened(json.dumps({"items": lines, "has_more": True, "total": 9})))
    assert page is not None
    assert page.end == PageEnd(rows=5, has_more=True, total=9)
    assert [(row.provider_id, row.kind, row.amount_micros) for row in page.lines] == [
        (None, "recharge", 100_000_000),
        (None, "", None),
        (None, "", None),
        (ID, "", 10_000),
        (ID, "deduct", None),
    ]
    assert len({row.uuid for row in page.lines}) == 5


@pytest.mark.parametrize("data", ["null", "{}", '{"total": 0}', '{"items": {}}', "7"])
def test_what_is_no_page_is_not_an_empty_page(data):
    assert read_bill(opened(data)) is None


@pytest.mark.parametrize("data", ['{"items": []}', '{"items": null}', "[]"])
def test_an_empty_page_is_a_page(data):
    page = read_bill(opened(data))
    assert page is not None
    assert page.end.rows == 0
