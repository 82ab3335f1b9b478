"""Docstrings as help shows them."""

from __future__ import annotations

from flows.cli.app import lesson_of

DOC = """Do it.

    It is
    done.

    Example:
        reelcat do
        reelcat do --twice

    Args:
        x: What.
    """


def test_paragraphs_are_wrapped_anew_and_the_example_keeps_its_lines():
    assert lesson_of(DOC) == (
        "Do it.\n\nIt is done.",
        "Example:\n\n    reelcat do\n    reelcat do --twice",
    )


def test_a_docstring_without_an_example_has_none():
    assert lesson_of("Do it.") == ("Do it.", "")
