"""What cannot be seen is spelled out, and what people write stays readable."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.visible import visible, visible_on_one_line

#: Ranges from the rules themselves, apart from the pattern that is tested.
HIDDEN = (
    *range(0x200B, 0x2010),
    *range(0x2028, 0x202F),
    *range(0x2060, 0x2070),
    *range(0xE0000, 0xE0080),
    *range(0xE0100, 0xE01F0),
    *range(0x80, 0xA0),
    *(0x00, 0x07, 0x0D, 0x1B, 0x7F, 0xAD, 0x34F, 0x61C, 0x115F, 0x180E, 0x3164, 0xFEFF, 0xFE00),
    *(0xFFF9, 0xD800, 0xDCFF, 0xDFFF),
)


def test_each_sign_that_is_not_seen_is_spelled_out_between_letters():
    for number in HIDDEN:
        shown = visible(f"a{chr(number)}b")
        assert shown.isascii(), hex(number)
        assert f"{number:x}" in shown or number == 0x0D, hex(number)


@pytest.mark.parametrize(
    "text",
    [
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian: I want
        "\u0915\u094d\u200d\u0937",  # Devanagari with a half form
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",  # a family
        "\u2764\ufe0f",
        "\U0001f3f3\ufe0f\u200d\U0001f308",
        "1\ufe0f\u20e3",
        "Ærø, Ωmega, 東京、日本\u3000ｶﾅ\tA\nB",
    ],
)
def test_what_people_write_is_shown_as_it_is(text):
    assert visible(text) == text


@pytest.mark.parametrize(
    "text", ["a\u200db", "\u0645\u200c", "\u0645\u200c\u200c\u062e", "\u200d\U0001f468", "a\ufe0f"]
)
def test_joiners_where_they_do_nothing_are_shown(text):
    assert "\\u" in visible(text)


@given(st.text(st.characters(exclude_categories=[])))
def test_nothing_that_gives_orders_is_left(text):
    shown = visible(text)
    left = {unicodedata.category(sign) for sign in shown if sign not in "\n\t\u200c\u200d"}
    assert not left & {"Cc", "Cs", "Zl", "Zp"}
    shown.encode()
    assert "\n" not in visible_on_one_line(text)
