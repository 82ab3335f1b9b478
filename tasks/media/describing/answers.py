"""Answers a task about a video from its signals.

Pure: the same signals, task and instructions give the same text. Every answer ends by saying what
it rests on, and none claims to know what is shown.
"""

from __future__ import annotations

from collections.abc import Sequence

from catalog.values import Task
from tasks.media.describing import facts, judging, phrases, sentences
from tasks.media.describing.focus import Focus, Topic, read_focus
from tasks.media.describing.phrases import clock, count, length, listed, span
from tasks.media.describing.signals import Reading, Shot, Signals, Span

FOOTNOTE = "(Measured from the signal, not recognised by a model.)"

_MOST_SCENES = 30
_MOST_LINES = 3
_LOOKS = frozenset({Topic.LIGHT, Topic.COLOUR})
_WHOLE_SCENES = frozenset({Topic.STRUCTURE, Topic.FORMAT})
_BEYOND = "What is shown and said cannot be told by measuring."
_ANALYSED = (Topic.LIGHT, Topic.COLOUR, Topic.MOTION, Topic.SOUND, Topic.STRUCTURE)


def word(signals: Signals, task: Task, instructions: str | None) -> str:
    """The answer to one task in English.

    Instructions choose what the answer dwells on; they are never repeated in it.
    """
    focus = read_focus(instructions)
    match task:
        case Task.GENERAL:
            parts = _general(signals, focus)
        case Task.SUMMARY:
            parts = _summary(signals, focus)
        case Task.ANALYSIS:
            parts = _analysis(signals, focus)
        case Task.COUNTING:
            parts = _counting(signals, focus)
        case Task.SCENE_DESCRIPTION:
            parts = _scenes(signals, focus)
    separator = "\n" if task in (Task.ANALYSIS, Task.SCENE_DESCRIPTION) else " "
    return separator.join(part for part in (*parts, sentences.coverage(signals), FOOTNOTE) if part)


def _general(signals: Signals, focus: Focus) -> list[str]:
    beyond = _BEYOND if focus.beyond_signals else ""
    if focus.topics:
        return [*(facts.facts(signals, topic) for topic in focus.topics), beyond]
    return [
        beyond,
        sentences.opening(signals),
        sentences.picture(signals),
        facts.facts(signals, Topic.SOUND),
        facts.cuts_and_chapters(signals) if _is_divided(signals) else "",
        facts.text_facts(signals),
    ]


def _is_divided(signals: Signals) -> bool:
    return len(signals.shots) > 1 or bool(signals.texts.chapters)


def _summary(signals: Signals, focus: Focus) -> list[str]:
    beyond = _BEYOND if focus.beyond_signals else ""
    if focus.topics:
        return [
            sentences.opening(signals),
            *(facts.facts(signals, topic) for topic in focus.topics),
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
    sections = [f"{topic.value}: {facts.facts(signals, topic)}" for topic in topics]
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
            (len(judging.still(signals)), "frozen stretch", "frozen stretches", ""),
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
    if moving and len(signals.shots) == 1 and judging.moves_by_times(signals):
        moving += f", {phrases.at(signals.activity)}"
    return moving


def _scene_sound(signals: Signals, shot: Shot, *, asked: bool) -> str:
    """Silence is worth a word where there is sound elsewhere, or where sound was asked for."""
    sound = signals.sound
    if sound is None or judging.is_silent(signals):
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
