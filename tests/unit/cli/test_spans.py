"""Spans of time, as they are typed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cyclopts import App

from catalog.errors import SettingsError
from flows.cli.flags import Span

app = App(result_action="return_value", exit_on_error=False, print_error=False)


@app.default
def waited(*, older_than: Span | None = None) -> timedelta | None:
    return older_than


@pytest.mark.parametrize(
    ("written", "span"),
    [
        ("8d", timedelta(days=8)),
        ("12 h", timedelta(hours=12)),
        (" 90M ", timedelta(minutes=90)),
        ("0m", timedelta(0)),
        ("1D12h", timedelta(hours=36)),
        ("1.5h", timedelta(minutes=90)),
        ("99999d", timedelta(days=99_999)),
    ],
)
def test_a_span_is_read_in_any_case_and_a_capital_m_is_minutes(written, span):
    assert app([f"--older-than={written}"]) == span


def test_no_span_is_none():
    assert app([]) is None


@pytest.mark.parametrize("written", ["", "8", "soon", "8dfoo", "-8d", "100000d", f"{'9' * 30}d"])
def test_what_is_no_span_or_one_before_zero_is_refused_with_the_option_and_what_it_takes(written):
    with pytest.raises(SettingsError) as refused:
        app([f"--older-than={written}"])
    assert str(refused.value) == (
        f"--older-than takes days, hours or minutes such as 8d, 12h or 90m, not {written!r}."
    )
