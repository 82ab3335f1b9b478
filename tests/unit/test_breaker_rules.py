"""When the breaker opens: five refusals one after the other, not five in one moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from catalog.values import Accepted, RefusalKind, Refused
from tasks.runtime.breaker import MOST_REFUSALS, Breaker

START = datetime(2026, 11, 23, tzinfo=UTC)
SERVER = Refused(kind=RefusalKind.PACE, reason="unavailable", status_code=503)
TOO_FAST = Refused(kind=RefusalKind.PACE, reason="too many requests", status_code=429)
ACCOUNT = Refused(kind=RefusalKind.ACCOUNT, reason="no credit", status_code=402)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_refusals_that_a_blip_meets_in_one_moment_count_once():
    breaker = Breaker()
    for number in range(50):
        breaker.saw(SERVER, began=at(0), now=at(1 + number / 100))
    assert breaker.opened_by is None
    assert breaker.in_a_row == 1


def test_refusals_of_one_attempt_after_the_other_open_it():
    breaker = Breaker()
    for number in range(MOST_REFUSALS):
        assert breaker.opened_by is None
        breaker.saw(SERVER, began=at(10 * number), now=at(10 * number + 1))
    assert breaker.opened_by is SERVER


def test_an_acceptance_starts_the_count_anew():
    breaker = Breaker()
    for number in range(3 * MOST_REFUSALS):
        outcome = Accepted(provider_id="abcd") if number % MOST_REFUSALS == 0 else SERVER
        breaker.saw(outcome, began=at(10 * number), now=at(10 * number + 1))
    assert breaker.opened_by is None


def test_an_account_that_refuses_everything_is_believed_at_once():
    breaker = Breaker()
    for _ in range(MOST_REFUSALS):
        breaker.saw(ACCOUNT, began=at(0), now=at(1))
    assert breaker.opened_by is ACCOUNT


def test_refusals_for_the_pace_are_in_a_row_until_what_began_after_them_is_accepted():
    breaker = Breaker()
    breaker.saw(TOO_FAST, began=at(0), now=at(1))
    breaker.saw(TOO_FAST, began=at(0.5), now=at(1.5))  # it was under way
    assert breaker.too_fast == 1
    breaker.saw(Accepted(provider_id="abcd"), began=at(0.9), now=at(2))
    breaker.saw(TOO_FAST, began=at(2), now=at(3))
    assert breaker.too_fast == 2
    breaker.saw(Accepted(provider_id="abcd"), began=at(4), now=at(5))
    assert (breaker.too_fast, breaker.in_a_row, breaker.opened_by) == (0, 0, None)
