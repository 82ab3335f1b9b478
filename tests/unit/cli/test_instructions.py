"""Instructions out of a file: the words that are in it, or one sentence about why not."""

from __future__ import annotations

import pytest

from catalog.errors import UsageError
from flows.cli.request import read_instructions


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Write a file of instructions."""
    monkeypatch.chdir(tmp_path)
    return (tmp_path / "boats.txt").write_bytes


@pytest.mark.parametrize(
    "content",
    [
        "Zähle die Boote.\nSonst nichts.".encode(),
        "\ufeffZähle die Boote.\r\nSonst nichts.\r\n".encode(),
        " Zähle die Boote.\rSonst nichts.\n\n".encode(),
    ],
)
def test_the_same_words_are_the_same_question_whoever_saved_them(written, content):
    written(content)
    assert read_instructions("@boats.txt") == "Zähle die Boote.\nSonst nichts."


def test_sixteen_kibibytes_are_read_and_no_more(written):
    written(b"a" * 16_384)
    assert read_instructions("@boats.txt") == "a" * 16_384
    written(b"a" * 16_385)
    with pytest.raises(UsageError, match=r"boats\.txt is longer than 16 KiB; shorten it\."):
        read_instructions("@boats.txt")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("Zähle".encode("latin-1"), "is no text in UTF-8; save it as such"),
        ("Zähle".encode("utf-16"), "is no text in UTF-8; save it as such"),
        (b" \n", "is empty; write into it"),
        (b"a\0b", "holds a null character; write into it"),
    ],
)
def test_what_is_no_text_is_told(written, content, says):
    written(content)
    with pytest.raises(UsageError, match=says):
        read_instructions("@boats.txt")


def test_what_begins_with_an_at_sign_can_be_said(written):
    assert read_instructions("@@boats.txt") == "@boats.txt"
