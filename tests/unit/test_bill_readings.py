"""When the bill is read again while a run buys."""

from __future__ import annotations

from flows.pipeline.billing import Readings


def test_the_first_reading_is_always_due():
    assert Readings().is_due(0.0)


def test_reading_takes_a_tenth_of_the_time_at_most():
    readings = Readings()
    readings.made(began=100.0, ended=102.0)
    assert not readings.is_due(119.9)
    assert readings.is_due(120.0)


def test_a_reading_that_takes_no_time_may_be_made_again_at_once():
    readings = Readings()
    readings.made(began=100.0, ended=100.0)
    assert readings.is_due(100.0)
