"""Answers a task about a video from its signals.

Pure: the same signals, task and instructions give the same text. Every answer ends by saying what
cannot be told by measuring. Words of the instructions are looked for, never repeated: what somebody
asks is no statement about the video.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass

from catalog.values import AnalysisType
from tasks.sandbox.vision import sentences
from tasks.sandbox.vision.sentences import at, capital, clock, count, length, listed, span
from tasks.sandbox.vision.signals import Reading, Shot, Signals, Span


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
_ASKS_BEYOND = (
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
        beyond_signals=_first(_ASKS_BEYOND, instructions) is not None or not asked,
    )


def _first(words: str, text: str) -> int | None:
    match = re.search(rf"\b(?:{words})\b", text, re.IGNORECASE)
    return match.start() if match else None


_MOST_CUTS = 8
_MOST_CHAPTERS = 6
_QUOTED_LINES = 3


def facts(signals: Signals, topic: Topic) -> str:
    """All that was measured on a topic."""
    return _FACTS[topic](signals)


def _format(signals: Signals) -> str:
    duration = signals.duration_seconds
    size = sentences.size_phrase(signals.width, signals.height)
    told = [
        f"It lasts {length(duration)}." if duration else "How long it lasts is not known.",
        f"The picture is {sentences.orientation(signals)}, {size}"
        + (f", stored turned by {signals.rotation}°." if signals.rotation else "."),
    ]
    if signals.bars is not None:
        told.append(f"It has black bars {signals.bars.value}.")
    return " ".join(told)


def _light(signals: Signals) -> str:
    levels = [shot.brightness for shot in signals.shots]
    level = sentences.light_phrase(sentences.mean_brightness(signals.shots))
    contrast = sum(shot.contrast for shot in signals.shots) / len(signals.shots)
    if contrast > 0.6:
        level += ", with high contrast"
    elif contrast < 0.2:
        level += ", with low contrast"
    told = [f"{capital(level)}."]
    darkest, brightest = sentences.light_phrase(min(levels)), sentences.light_phrase(max(levels))
    if darkest != brightest:
        told[0] = f"{capital(level)} on average, with scenes from {darkest} to {brightest}."
    if signals.black:
        told.append(f"Black {at(signals.black)}.")
    return " ".join(told)


def _colour(signals: Signals) -> str:
    shown = sentences.shown_shots(signals)
    if not shown:
        return "No colour: the picture is black."
    saturation = sentences.mean_saturation(shown)
    word = sentences.colourfulness(saturation)
    if word == "black and white":
        return "Black and white."
    shares = [
        f"{colour.name} {round(100 * colour.share)} %"
        for colour in sentences.mean_colours(shown)
        if colour.share >= 0.05
    ][:5]
    of = f": {listed(shares)} of the picture" if shares else ""
    return f"{capital(word)}{of}."


def _motion(signals: Signals) -> str:
    if sentences.always_still(signals):
        return "Nothing moves: one still picture throughout."
    moving = sentences.motion(signals.shots)
    told = [f"{capital(moving)}." if moving else "Too short to tell what moves."]
    if sentences.moves_by_times(signals):
        told.append(f"It moves {at(signals.activity)}, and rests otherwise.")
    if sentences.still(signals):
        told.append(f"Frozen {at(sentences.still(signals))}.")
    return " ".join(told)


def _sound(signals: Signals) -> str:
    sound = signals.sound
    first = sentences.hearing(signals)
    if sound is None or sentences.is_silent(signals):
        return first
    told = [first]
    if sound.range_lu is not None and sound.range_lu >= 8:
        told.append("It varies widely between quiet and loud.")
    if sound.loudest_at_seconds is not None and signals.window_seconds >= 5:
        told.append(f"It is loudest around {clock(sound.loudest_at_seconds)}.")
    channels = {1: "mono", 2: "stereo"}.get(sound.channels, f"{sound.channels} channels")
    more = f", the first of {sound.tracks} tracks" if sound.tracks > 1 else ""
    told.append(f"It is in {channels}{more}." if sound.channels else "")
    return " ".join(sentence for sentence in told if sentence)


def _structure(signals: Signals) -> str:
    black = f"Black {at(signals.black)}." if signals.black else ""
    return " ".join(part for part in (cuts_and_chapters(signals), black) if part)


def cuts_and_chapters(signals: Signals) -> str:
    """How the video is divided."""
    cuts = [clock(shot.span.start_seconds) for shot in signals.shots[1:]]
    told = [capital(sentences.shots(signals))]
    if len(cuts) > _MOST_CUTS:
        mean = signals.window_seconds / len(signals.shots)
        told[0] += f", {length(mean)} each on average"
    elif cuts:
        told[0] += f", cut at {listed(cuts)}"
    else:
        told[0] += ", without a cut"
    told[0] += "."
    if signals.reading is Reading.KEYFRAMES:
        told.append("Only keyframes were read, so cuts between them may be missed.")
    if signals.texts.chapters:
        told.append(_chapters(signals))
    return " ".join(told)


def _chapters(signals: Signals) -> str:
    chapters = signals.texts.chapters
    named = [
        (f"“{chapter.title}” at " if chapter.title else "") + clock(chapter.start_seconds)
        for chapter in chapters[:_MOST_CHAPTERS]
    ]
    if len(chapters) > _MOST_CHAPTERS:
        named.append(f"{len(chapters) - _MOST_CHAPTERS} more")
    return f"{count(len(chapters), 'chapter')}: {listed(named)}."


def text_facts(signals: Signals) -> str:
    """What the file says in words, apart from its title; empty when it says nothing."""
    texts = signals.texts
    told = []
    if texts.comment and texts.comment != texts.title:
        told.append(f"Its comment reads “{texts.comment}”.")
    claims = [
        f"{verb} {claim}"
        for verb, claim in (("dates from", texts.recorded_on), ("was made with", texts.device))
        if claim
    ]
    if claims:
        told.append(f"By its own account it {listed(claims)}.")
    if texts.subtitle_lines:
        quoted = [f"“{line.text}”" for line in texts.subtitle_lines[:_QUOTED_LINES]]
        more = len(texts.subtitle_lines) - len(quoted)
        told.append(f"Its subtitles say {listed([*quoted, f'{more} more'] if more else quoted)}.")
    elif texts.subtitle_tracks:
        tracks = count(texts.subtitle_tracks, "subtitle track")
        told.append(f"It has {tracks}, of which no text can be read.")
    return " ".join(told)


def _text(signals: Signals) -> str:
    title = signals.texts.title
    named = f"The file calls itself “{title}”." if title else ""
    told = " ".join(part for part in (named, text_facts(signals)) if part)
    return told or "The file has no title, no comment and no subtitles."


_FACTS = {
    Topic.FORMAT: _format,
    Topic.LIGHT: _light,
    Topic.COLOUR: _colour,
    Topic.MOTION: _motion,
    Topic.SOUND: _sound,
    Topic.STRUCTURE: _structure,
    Topic.TEXT: _text,
}


FOOTNOTE = "(Measured from the signal, not recognised by a model.)"

_MOST_SCENES = 30
_MOST_LINES = 3
_LOOKS = frozenset({Topic.LIGHT, Topic.COLOUR})
_WHOLE_SCENES = frozenset({Topic.STRUCTURE, Topic.FORMAT})
_BEYOND = "What is shown and said cannot be told by measuring."
_ANALYSED = (Topic.LIGHT, Topic.COLOUR, Topic.MOTION, Topic.SOUND, Topic.STRUCTURE)


def word(signals: Signals, task: AnalysisType, instructions: str | None) -> str:
    """The answer to one task in English.

    Instructions choose what the answer dwells on; they are never repeated in it.
    """
    focus = read_focus(instructions)
    match task:
        case AnalysisType.GENERAL:
            parts = _general(signals, focus)
        case AnalysisType.SUMMARY:
            parts = _summary(signals, focus)
        case AnalysisType.ANALYSIS:
            parts = _analysis(signals, focus)
        case AnalysisType.COUNTING:
            parts = _counting(signals, focus)
        case AnalysisType.SCENE_DESCRIPTION:
            parts = _scenes(signals, focus)
    separator = "\n" if task in (AnalysisType.ANALYSIS, AnalysisType.SCENE_DESCRIPTION) else " "
    return separator.join(part for part in (*parts, sentences.coverage(signals), FOOTNOTE) if part)


def _general(signals: Signals, focus: Focus) -> list[str]:
    beyond = _BEYOND if focus.beyond_signals else ""
    if focus.topics:
        return [*(facts(signals, topic) for topic in focus.topics), beyond]
    return [
        beyond,
        sentences.opening(signals),
        sentences.picture(signals),
        facts(signals, Topic.SOUND),
        cuts_and_chapters(signals) if _is_divided(signals) else "",
        text_facts(signals),
    ]


def _is_divided(signals: Signals) -> bool:
    return len(signals.shots) > 1 or bool(signals.texts.chapters)


def _summary(signals: Signals, focus: Focus) -> list[str]:
    beyond = _BEYOND if focus.beyond_signals else ""
    if focus.topics:
        return [
            sentences.opening(signals),
            *(facts(signals, topic) for topic in focus.topics),
            beyond,
        ]
    return [
        sentences.opening(signals),
        sentences.picture(signals),
        sentences.hearing(signals),
        beyond,
    ]


def _analysis(signals: Signals, focus: Focus) -> list[str]:
    topics = focus.topics or _ANALYSED
    sections = [f"{topic.value}: {facts(signals, topic)}" for topic in topics]
    return [*sections, _BEYOND if focus.beyond_signals else ""]


def _counting(signals: Signals, focus: Focus) -> list[str]:
    counted = _counts(signals)
    topics = [topic for topic in focus.topics if topic in counted] or list(counted)
    things = [thing for topic in topics for thing in counted[topic]]
    there = [count(number, one, many) + more for number, one, many, more in things if number]
    lacking = [many for number, _, many, _ in things if not number]
    objects = "People and objects cannot be counted by measuring."
    return [
        objects if focus.beyond_signals else "",
        f"In {length(signals.window_seconds)}: {listed(there)}." if there else "",
        f"No {listed(lacking, conjunction='or')}." if lacking else "",
        objects if not focus.beyond_signals and not focus.topics else "",
    ]


def _counts(signals: Signals) -> dict[Topic, list[tuple[int, str, str, str]]]:
    """What can be counted: how many, the singular, the plural, and what to add."""
    sound, texts = signals.sound, signals.texts
    about = ", judged by keyframes" if signals.reading is Reading.KEYFRAMES else ""
    cuts = f" ({count(len(signals.shots) - 1, 'cut')}{about})"
    return {
        Topic.STRUCTURE: [
            (len(signals.shots), "shot", "shots", cuts),
            (len(signals.black), "black stretch", "black stretches", ""),
            (len(texts.chapters), "chapter", "chapters", ""),
        ],
        Topic.MOTION: [
            (len(signals.activity), "stretch of movement", "stretches of movement", ""),
            (len(sentences.still(signals)), "frozen stretch", "frozen stretches", ""),
        ],
        Topic.SOUND: [
            (sound.tracks if sound else 0, "sound track", "sound tracks", ""),
            (len(sound.silences) if sound else 0, "silence", "silences", ""),
        ],
        Topic.TEXT: [(len(texts.subtitle_lines), "subtitle line", "subtitle lines", "")],
    }


def _scenes(signals: Signals, focus: Focus) -> list[str]:
    lines = [
        f"Scene {number}, {span(shot.span)}: {_scene(signals, shot, focus)}"
        for number, shot in enumerate(signals.shots[:_MOST_SCENES], start=1)
    ]
    rest = len(signals.shots) - len(lines)
    if rest:
        lines.append(f"… and {count(rest, 'more scene')} until {clock(signals.window_seconds)}.")
    return [*lines, _BEYOND if focus.beyond_signals else ""]


def _scene(signals: Signals, shot: Shot, focus: Focus) -> str:
    # Whoever asks for scenes or cuts asks for what a list of scenes is, so for everything.
    everything = not focus.topics or _WHOLE_SCENES & set(focus.topics)
    wanted = set(Topic) if everything else set(focus.topics)
    parts = []
    if _mostly(shot.span, signals.black):
        parts.append("black picture")
    else:
        if _LOOKS & wanted:
            parts.append(sentences.look([shot]))
        if Topic.MOTION in wanted:
            parts.append(_scene_motion(signals, shot))
    if Topic.SOUND in wanted:
        parts.append(_scene_sound(signals, shot, asked=Topic.SOUND in focus.topics))
    if Topic.TEXT in wanted:
        parts.append(_scene_text(signals, shot))
    told = "; ".join(part for part in parts if part)
    return (told or sentences.look([shot])) + "."


def _scene_motion(signals: Signals, shot: Shot) -> str:
    if _mostly(shot.span, signals.frozen):
        return "a still picture"
    moving = sentences.motion([shot])
    if moving and len(signals.shots) == 1 and sentences.moves_by_times(signals):
        moving += f", {sentences.at(signals.activity)}"
    return moving


def _scene_sound(signals: Signals, shot: Shot, *, asked: bool) -> str:
    """Silence is worth a word where there is sound elsewhere, or where sound was asked for."""
    sound = signals.sound
    if sound is None or sentences.is_silent(signals):
        return "no sound" if asked else ""
    if _mostly(shot.span, sound.silences):
        return "in silence"
    return "with sound" if asked else ""


def _scene_text(signals: Signals, shot: Shot) -> str:
    chapters = [
        f"“{chapter.title}” at {clock(chapter.start_seconds)}"
        for chapter in signals.texts.chapters
        if chapter.title and _starts_in(chapter.start_seconds, shot.span)
    ]
    lines = [
        f"“{line.text}”"
        for line in signals.texts.subtitle_lines
        if _starts_in(line.start_seconds, shot.span)
    ]
    told = (
        f"{'chapter' if len(chapters) == 1 else 'chapters'} {listed(chapters)}" if chapters else "",
        f"subtitles {listed(lines[:_MOST_LINES])}" if lines else "",
    )
    return "; ".join(part for part in told if part)


def _mostly(stretch: Span, others: Sequence[Span]) -> bool:
    """Whether one of the others takes up nine tenths of a stretch."""
    return any(
        min(stretch.end_seconds, other.end_seconds)
        - max(stretch.start_seconds, other.start_seconds)
        >= 0.9 * stretch.seconds
        for other in others
    )


def _starts_in(seconds: float, stretch: Span) -> bool:
    return stretch.start_seconds <= seconds < stretch.end_seconds
