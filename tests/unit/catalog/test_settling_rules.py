"""What the bill says that an ended prediction cost, and when it has said it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.settlement import (
    DEDUCTION_SHOWS_WITHIN,
    REFUND_SHOWS_WITHIN,
    Settlement,
    settlement_of,
    unclear_lines,
)
from catalog.values import BillingRow, PredictionStatus

ENDED = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SOON, AFTER_AN_HOUR, AFTER_A_DAY = timedelta(minutes=1), timedelta(hours=2), timedelta(hours=25)
COMPLETED, FAILED, EXPIRED = (
    PredictionStatus.COMPLETED,
    PredictionStatus.FAILED,
    PredictionStatus.EXPIRED,
)


def line(kind: str, micros: int | None, number: int = 0) -> BillingRow:
    return BillingRow(
        uuid=f"{kind}{number}",
        provider_id="p",
        kind=kind,
        amount_micros=micros,
        created_at=None,
    )


def settled(status, rows, waited):
    return settlement_of(status, rows, ended_at=ENDED, now=ENDED + waited)


DEDUCTED, REFUNDED = line("deduct", 10_000), line("refund", 10_000)


@pytest.mark.parametrize(
    ("status", "rows", "waited", "expected"),
    [
        (COMPLETED, [], SOON, None),
        (COMPLETED, [], AFTER_A_DAY, None),  # an answer is never free
        (COMPLETED, [DEDUCTED], SOON, (10_000, 0)),
        (COMPLETED, [DEDUCTED, line("refund", 4_000)], SOON, (10_000, 4_000)),
        (COMPLETED, [DEDUCTED, line("deduct", 5_000, 1)], SOON, (15_000, 0)),
        (FAILED, [], SOON, None),  # the deduction may only be late
        (FAILED, [], AFTER_AN_HOUR, (0, 0)),
        (FAILED, [DEDUCTED], SOON, None),
        (FAILED, [DEDUCTED], AFTER_AN_HOUR, None),  # the refund may only be late
        (FAILED, [DEDUCTED], AFTER_A_DAY, (10_000, 0)),
        (FAILED, [DEDUCTED, REFUNDED], SOON, (10_000, 10_000)),
        (FAILED, [DEDUCTED, line("refund", 3_000)], SOON, None),
        (FAILED, [DEDUCTED, line("refund", 3_000)], AFTER_A_DAY, (10_000, 3_000)),
        (EXPIRED, [DEDUCTED, REFUNDED], SOON, (10_000, 10_000)),
        (EXPIRED, [DEDUCTED], AFTER_A_DAY, (10_000, 0)),
        (COMPLETED, [line("deduct", None)], AFTER_A_DAY, None),  # unknown is never zero
        (FAILED, [DEDUCTED, line("refund", None)], AFTER_A_DAY, None),
        (FAILED, [REFUNDED], SOON, None),
        (FAILED, [REFUNDED], AFTER_A_DAY, None),  # its deduction was not read
        (FAILED, [DEDUCTED, line("refund", 90_000)], SOON, None),
        (COMPLETED, [DEDUCTED, line("refund", 90_000)], SOON, None),
        (FAILED, [DEDUCTED, line("note", 1)], AFTER_A_DAY, (10_001, 0)),  # rather too much
        (COMPLETED, [line("surcharge", 1)], AFTER_A_DAY, None),
    ],
)
def test_a_prediction_is_settled_once_its_bill_is_final(status, rows, waited, expected):
    found = settled(status, rows, waited)
    assert found == (
        None if expected is None else Settlement(deducted=expected[0], refunded=expected[1])
    )


def unclear(*rows, waited=SOON):
    found = unclear_lines(rows, ended_at=ENDED, now=ENDED + waited)
    return [(one.line, one.reason.partition(") ")[2]) for one in found]


def test_lines_that_can_be_counted_are_not_unclear():
    assert unclear(DEDUCTED, REFUNDED, line("deduct", 0, 1), line("note", 0)) == []


@pytest.mark.parametrize(
    ("row", "what"),
    [
        (line("deduct", None, 1), "has no amount in dollars that can be told."),
        (line("refund", None, 1), "has no amount in dollars that can be told."),
        (line("surcharge", 50_000, 1), "is neither a deduction nor a refund."),
        (line("", 50_000, 1), "is neither a deduction nor a refund."),
        (
            replace(line("deduct", 50_000, 1), is_negative=True),
            "has a minus sign that others of its kind have not.",
        ),
        (replace(DEDUCTED, provider_id=None, uuid="deduct1"), "names no prediction."),
    ],
)
def test_a_line_that_cannot_be_counted_is_named(row, what):
    assert unclear(DEDUCTED, row) == [(row.uuid, what)]


def test_a_bill_that_writes_every_deduction_with_a_minus_is_clear():
    rows = [replace(line("deduct", 10_000, n), is_negative=True) for n in range(2)]
    assert unclear(*rows, line("refund", 5_000)) == []


def test_refunds_of_more_than_was_deducted_are_unclear_once_the_deduction_would_have_shown():
    assert unclear(REFUNDED) == []
    assert len(unclear(DEDUCTED, REFUNDED, line("refund", 1, 1))) == 2
    ((named, what),) = unclear(REFUNDED, waited=AFTER_AN_HOUR)
    assert (named, what) == ("refund0", "is part of refunds of more than was deducted.")
    assert len(unclear(DEDUCTED, REFUNDED, line("refund", 1, 1), waited=AFTER_AN_HOUR)) == 2


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([DEDUCTED, line("deduct", None, 1)], (15_000, 0)),
        ([DEDUCTED, line("refund", None, 1)], (10_000, 0)),
        ([line("", None, 1)], (5_000, 0)),
        ([DEDUCTED, line("refund", 90_000, 1)], (10_000, 10_000)),
        ([DEDUCTED, line("deduct", None, 2)], None),  # this one nobody took note of
    ],
)
def test_an_amount_that_cannot_be_told_counts_as_the_quote_once_a_person_took_note(rows, expected):
    noted = {"deduct1", "refund1", "1"}
    found = settlement_of(COMPLETED, rows, ended_at=ENDED, now=ENDED, quoted=5_000, noted=noted)
    assert found == (
        None if expected is None else Settlement(deducted=expected[0], refunded=expected[1])
    )


LINES = st.lists(
    st.builds(
        line, st.sampled_from(["deduct", "refund"]), st.integers(0, 10**6), st.integers(0, 99)
    ),
    max_size=6,
)
STATUSES = st.sampled_from([COMPLETED, FAILED, EXPIRED])
WAITS = st.timedeltas(timedelta(0), timedelta(days=8))


@given(STATUSES, LINES, WAITS)
def test_nothing_ever_costs_less_than_nothing(status, rows, waited):
    found = settled(status, rows, waited)
    assert found is None or found.net >= 0


@given(STATUSES, LINES, WAITS, st.timedeltas(timedelta(0), timedelta(days=8)))
def test_what_is_final_stays_final_while_the_bill_stays_the_same(status, rows, waited, longer):
    found = settled(status, rows, waited)
    assert found is None or settled(status, rows, waited + longer) == found


@given(st.sampled_from([FAILED, EXPIRED]), LINES)
def test_a_failure_never_waits_for_ever_once_a_person_took_note(status, rows):
    waited = max(DEDUCTION_SHOWS_WITHIN, REFUND_SHOWS_WITHIN) + timedelta(seconds=1)
    noted = [row.uuid for row in rows]
    found = settlement_of(status, rows, ended_at=ENDED, now=ENDED + waited, noted=noted)
    assert found is not None
