"""Understands what instructions ask for, as far as signals can answer.

Pure. Words are looked for, never repeated: what somebody asks is no statement about the video.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass


class Topic(enum.Enum):
    """What signals can speak about."""

    FORMAT = "Format"
    LIGHT = "Light"
    COLOUR = "Colour"
    MOTION = "Motion"
    SOUND = "Sound"
    STRUCTURE = "Structure"
    TEXT = "Text"


@dataclass(frozen=True, kw_only=True, slots=True)
class Focus:
    """What is asked for."""

    #: In the order asked; empty when everything is wanted.
    topics: tuple[Topic, ...] = ()
    #: Something is asked that measuring cannot answer: who, what, why.
    beyond_signals: bool = False


_TOPIC_WORDS = {
    Topic.FORMAT: r"length|long|duration|minutes|seconds|resolution|format|orientation|portrait|"
    r"landscape|aspect|size|quality|pixels?",
    Topic.LIGHT: r"light\w*|bright\w*|dark\w*|expos\w+|night|daylight|contrast",
    Topic.COLOUR: r"colou?r(?:s|ed|ful|ing)?|hues?|tint\w*|palette|monochrome|saturat\w+|"
    r"black[ -]and[ -]white",
    Topic.MOTION: r"mov(?:e|es|ing|ements?)|motion|still|static|frozen|freez\w+|camera|activity",
    Topic.SOUND: r"sounds?|audio|loud\w*|quiet|noise|nois[ey]|music|silen\w+|volume|hear\w*",
    Topic.STRUCTURE: r"cuts?|shots?|scenes?|edit\w*|structure\w*|chapters?|pac(?:e|ing)",
    Topic.TEXT: r"text|subtitles?|captions?|titles?|words?|written|tags?|metadata|recorded|dates?|"
    r"say|says|said|speech|dialog\w*",
}
_BEYOND = (
    r"who|whom|why|people|persons?|man|men|wom[ae]n|child\w*|faces?|objects?|things?|animals?|dogs?|"
    r"cats?|birds?|cars?|vehicles?|buildings?|places?|where|locations?|emotions?|moods?|story|"
    r"happen\w*|say|says|said|speak\w*|speech|talk\w*|dialog\w*|language|identif\w+|recogni[sz]e\w*"
)


def read_focus(instructions: str | None) -> Focus:
    """What the instructions ask for.

    >>> read_focus("How many cuts are there, and is it loud?").topics
    (<Topic.STRUCTURE: 'Structure'>, <Topic.SOUND: 'Sound'>)
    """
    if not instructions:
        return Focus()
    found = {topic: _first(words, instructions) for topic, words in _TOPIC_WORDS.items()}
    asked = sorted((at, topic.value, topic) for topic, at in found.items() if at is not None)
    return Focus(
        topics=tuple(topic for _, _, topic in asked),
        beyond_signals=_first(_BEYOND, instructions) is not None or not asked,
    )


def _first(words: str, text: str) -> int | None:
    match = re.search(rf"\b(?:{words})\b", text, re.IGNORECASE)
    return match.start() if match else None
