from __future__ import annotations

import pytest

from tasks.sandbox.vision.answers import Focus, Topic, read_focus


@pytest.mark.parametrize("instructions", [None, ""])
def test_without_instructions_everything_is_wanted(instructions):
    assert read_focus(instructions) == Focus()


@pytest.mark.parametrize(
    ("instructions", "topics"),
    [
        ("How loud is it?", (Topic.SOUND,)),
        ("COLORS, please", (Topic.COLOUR,)),
        ("Does the camera move, and when are the cuts?", (Topic.MOTION, Topic.STRUCTURE)),
        ("structure and sound", (Topic.STRUCTURE, Topic.SOUND)),
        ("Is anything said?", (Topic.TEXT,)),
        ("Give the duration.", (Topic.FORMAT,)),
        ("Is it too dark?", (Topic.LIGHT,)),
    ],
)
def test_topics_come_in_the_order_asked(instructions, topics):
    assert read_focus(instructions).topics == topics


def test_words_are_whole_words():
    assert read_focus("Shortcuts in Colorado").topics == ()
