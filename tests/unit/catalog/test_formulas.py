"""No reader of the table, wherever it thinks that cells begin, finds a formula of a stranger."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.export import write_csv

SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20"


def written(**texts):
    out = io.StringIO()
    write_csv([{"uris": [], "analyses": [], **texts}], out)
    return out.getvalue()


def cells(table, separator, quoting):
    lines = table.splitlines()[1:]
    if quoting is None:  # a reader that knows no quotes
        return [cell for line in lines for cell in line.split(separator)]
    return [cell for row in csv.reader(lines, delimiter=separator) for cell in row]


def is_formula(cell):
    return cell.lstrip(' "\u00a0\u200b\ufeff').startswith(tuple(SIGNS))


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("quoting", [None, csv.QUOTE_MINIMAL])
@pytest.mark.parametrize(
    "before", ["", "a,", "a;", "a\t", "a\n", "a|", 'a";', "a; ", 'a;"', "\t", "\r"]
)
@pytest.mark.parametrize("sign", SIGNS)
def test_a_formula_is_none_behind_any_separator(separator, quoting, before, sign):
    table = written(content_id="v1-0", probe_error=f"{before}{sign}cmd|'/C calc'!A0;x")
    assert not [cell for cell in cells(table, separator, quoting) if is_formula(cell)]


@given(st.text(st.sampled_from("=+-@;,|\t\n\r\"' a1\u200b")))
def test_whatever_a_text_is_made_of(text):
    table = written(content_id="v1-0", probe_error=text)
    for separator in ",;\t|":
        for quoting in None, csv.QUOTE_MINIMAL:
            assert not [cell for cell in cells(table, separator, quoting) if is_formula(cell)]


def test_numbers_of_our_own_and_texts_without_formulas_stay():
    table = written(
        content_id="v1-0", fps=-1.5, duration_seconds=3.0, probe_error="It is a-b; c=d."
    )
    row = next(csv.DictReader(io.StringIO(table)))
    assert (row["fps"], row["duration_seconds"]) == ("-1.5", "3.0")
    assert row["probe_error"] == "It is a-b; c=d."
