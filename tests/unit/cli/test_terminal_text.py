"""What strangers wrote is shown as text and gives no orders."""

from __future__ import annotations

import io
import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from flows.cli.text import clean, columns, facts, one_line, said

HOSTILE = "\x1b]0;owned\x07\x1b[2J[bold red]boo[/] :smile: \u202eforwards \x9b31m"


@given(st.text())
def test_no_control_character_of_a_stranger_reaches_the_terminal(text):
    shown = clean(text)
    assert not [sign for sign in shown if unicodedata.category(sign) == "Cc" and sign not in "\n\t"]
    assert "\n" not in one_line(text)


@given(st.text(st.characters(categories=["L", "N", "P", "Sm", "Sc", "Zs"], max_codepoint=0x24FF)))
def test_what_holds_no_orders_is_shown_as_it_is(text):
    assert clean(text) == text.replace("\u115f", r"\u115f").replace("\u1160", r"\u1160")


def test_tables_show_markup_of_strangers_as_it_was_written():
    out = io.StringIO()
    console = Console(file=out, markup=False, emoji=False, highlight=False, width=200)
    console.print(said(HOSTILE))
    console.print(facts({"name": HOSTILE}))
    console.print(columns(["name"], [[HOSTILE]], right=()))
    shown = out.getvalue()
    assert shown.count("[bold red]boo[/] :smile:") == 3
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "\x9b" not in shown
