"""One request is the form, the command line and what the catalog keeps of a run."""

from __future__ import annotations

import json

import pytest
from cyclopts import Parameter
from pydantic import ValidationError

from catalog.errors import UsageError
from catalog.values import AnalysisType, Order
from flows.cli.request import RequestOptions, request_of
from flows.pipeline.request import (
    RunRequest,
    Spending,
    Videos,
    fields_of,
    read_stored,
    stored,
    with_sources,
)

EVERYTHING = RunRequest.of(
    sources=("/films", "s3://films/2009"),
    tasks=(AnalysisType.COUNTING,),
    instructions="How many boats?",
    budget_usd="12.340005",
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
#: As a run of version 0.1 kept it.
KEPT_BY_0_1 = {
    "sources": ["/films", "s3://films/2009"],
    "tasks": ["counting"],
    "instructions": "How many boats?",
    "provider": "offline",
    "order": "shortest",
    "limit": 7,
    "include": ["**/*.mov"],
    "exclude": ["tmp/**"],
    "concurrency": 3,
    "tier": "gold",
    "retry_failed": True,
    "follow_links": True,
    "workers": 3,
    "shares": None,
    "budget_usd": "12.340005",
    "account": "c0ffee",
}


def fields():
    """Every field of a request with its part."""
    return {
        name: (part, field)
        for part, info in RunRequest.model_fields.items()
        for name, field in fields_of(info).items()
    }


def test_everything_is_everything():
    plain = RunRequest()
    for name, (part, _) in fields().items():
        assert getattr(getattr(plain, part), name) != getattr(getattr(EVERYTHING, part), name)


@pytest.mark.parametrize("request_", [RunRequest.of(sources=("/films",)), EVERYTHING])
def test_a_request_comes_back_whole_from_the_catalog(request_):
    kept = json.loads(json.dumps(stored(request_) | {"account": "c0ffee", "shares": None}))

    assert read_stored(kept) == request_


def test_a_request_that_version_0_1_kept_is_read():
    assert read_stored(KEPT_BY_0_1) == EVERYTHING


def test_no_two_parts_have_a_field_of_the_same_name():
    parts = RunRequest.model_fields.values()
    assert len(fields()) == sum(len(fields_of(part)) for part in parts)


def test_the_command_line_asks_for_all_but_what_only_prefect_can_do(tmp_path):
    named = {
        name
        for name, (_, field) in fields().items()
        if any(isinstance(one, Parameter) for one in field.metadata)
    }
    assert set(fields()) - named == {"sources", "workers"}  # sources are arguments
    assert request_of([str(tmp_path)], RequestOptions()) == RunRequest.of(sources=(str(tmp_path),))


def test_a_field_that_no_part_has_is_refused():
    with pytest.raises(ValidationError):
        RunRequest.of(sources=("/films",), budget="5")


def test_a_path_of_any_bytes_is_kept_and_shown_text_is_text():
    request = RunRequest.of(sources=("/films/\udcff",), include=("\udcff*",))

    assert request.videos.sources == ("/films/\udcff",)
    assert request.videos.include == ("\ufffd*",)
    assert read_stored(json.loads(json.dumps(stored(request)))) == request


def test_a_form_without_sources_takes_those_of_the_worker():
    assert with_sources(RunRequest(), ("s3://films",)).videos.sources == ("s3://films",)
    assert with_sources(EVERYTHING, ("s3://films",)) == EVERYTHING


def test_no_source_anywhere_is_a_sentence():
    with pytest.raises(UsageError, match="set REELCAT_SOURCES on the worker"):
        with_sources(RunRequest(), ())


def test_a_task_that_is_named_twice_is_asked_once():
    twice = RunRequest.of(tasks=("summary", "counting", "summary"), instructions=" Boats? ")
    assert twice.questions.tasks == (AnalysisType.SUMMARY, AnalysisType.COUNTING)
    assert twice.questions.instructions == "Boats?"


@pytest.mark.parametrize("amount", ["", "5 dollars", "-1", "1e3", "0.0000001", "NaN", "1,000"])
def test_what_is_no_amount_is_refused(amount):
    with pytest.raises(ValidationError):
        Spending(budget_usd=amount)


@pytest.mark.parametrize("source", ["", "  ", "https://a.example/b.mp4?sig=1", " HTTP://a/b"])
def test_a_source_that_is_nothing_or_a_web_address_is_refused_without_being_repeated(source):
    with pytest.raises(ValidationError) as refused:
        Videos(sources=(source,))

    assert "sig=1" not in str(refused.value)
