"""The form and the options say the same, and the form takes nothing that the options do not."""

from __future__ import annotations

from dataclasses import fields

import pytest
from pydantic import ValidationError

from catalog.errors import UsageError
from catalog.values import AnalysisType, Order
from flows.pipeline.request import (
    Pace,
    Questions,
    RunOptions,
    Spending,
    Videos,
    options_of,
    parameters_of,
)

EVERYTHING = RunOptions(
    sources=("/films", "s3://films/2009"),
    tasks=(AnalysisType.COUNTING,),
    instructions="How many boats?",
    budget_micros=12_340_005,
    provider="offline",
    order=Order.SHORTEST,
    limit=7,
    include=("**/*.mov",),
    exclude=("tmp/**",),
    concurrency=3,
    tier="gold",
    retry_failed=True,
    follow_links=True,
    workers=3,
)


def test_options_come_back_whole_from_their_parameters():
    plain = RunOptions(sources=("/films",))

    for options in (plain, EVERYTHING):
        parameters = parameters_of(options)
        assert options_of(**parameters, standing_sources=(), flow_run_id=None) == options


def test_no_option_is_forgotten_by_the_form():
    plain = RunOptions(sources=())
    alike = [
        field.name
        for field in fields(RunOptions)
        if getattr(plain, field.name) == getattr(EVERYTHING, field.name)
    ]

    assert alike == ["shares", "flow_run_id"]  # neither is anybody's to fill in


def test_a_form_without_sources_takes_those_of_the_worker():
    options = options_of(
        Videos(),
        Questions(),
        Spending(),
        Pace(),
        standing_sources=("s3://films",),
        flow_run_id="1",
    )

    assert options.sources == ("s3://films",)


def test_no_source_anywhere_is_a_sentence():
    with pytest.raises(UsageError, match="set REELCAT_SOURCES on the worker"):
        options_of(Videos(), Questions(), Spending(), Pace(), standing_sources=(), flow_run_id=None)


@pytest.mark.parametrize("amount", ["", "5 dollars", "-1", "1e3", "0.0000001", "NaN", "1,000"])
def test_what_is_no_amount_is_refused(amount):
    with pytest.raises(ValidationError):
        Spending(budget_usd=amount)


@pytest.mark.parametrize("source", ["", "  ", "https://a.example/b.mp4?sig=1", " HTTP://a/b"])
def test_a_source_that_is_nothing_or_a_web_address_is_refused_without_being_repeated(source):
    with pytest.raises(ValidationError) as refused:
        Videos(sources=(source,))

    assert "sig=1" not in str(refused.value)
