"""Sentences that several answers use: the picture, the sound, and what could not be looked at.

Pure. All that is known of one topic is in `facts`.
"""

from __future__ import annotations

from collections.abc import Sequence

from tasks.media.describing import judging, phrases
from tasks.media.describing.phrases import at, count, length, listed
from tasks.media.describing.signals import Damage, Reading, Shot, Signals

#: More stretches than this are counted, not listed.
_FEW_STRETCHES = 3


def opening(signals: Signals) -> str:
    """What kind of clip it is."""
    duration = signals.duration_seconds
    how_long = f" of {length(duration)}" if duration else " of unknown length"
    size = phrases.size(signals.width, signals.height)
    clip = f"{phrases.orientation(signals)} clip{how_long} ({size})"
    bars = f", with black bars {signals.bars.value}," if signals.bars else ""
    title = signals.texts.title
    start = f"“{title}”: a {clip}" if title else f"A {clip}"
    return f"{start}{bars} in {shots(signals)}."


def picture(signals: Signals) -> str:
    """Light, colour and motion in one sentence."""
    if judging.always_black(signals):
        return "The picture is black throughout."
    shown = judging.shown(signals)
    seen = look(shown or signals.shots)
    if judging.always_still(signals):
        return f"The picture is {seen}; it is a still, in which nothing changes."
    moving = motion(shown)
    if moving and judging.moves_by_times(signals):
        times = len(signals.activity)
        moving += (
            f", {at(signals.activity) if times <= _FEW_STRETCHES else f'in {times} stretches'}"
        )
    sentence = f"The picture is {seen}" + (f"; there is {moving}." if moving else ".")
    gone = [
        f"{state} {at(stretches)}"
        for state, stretches in (("black", signals.black), ("frozen", judging.still(signals)))
        if stretches
    ]
    return f"{sentence} It is {listed(gone)}." if gone else sentence


def hearing(signals: Signals) -> str:
    """The sound in one sentence."""
    sound = signals.sound
    if sound is None:
        return "There is no sound track."
    if judging.is_silent(signals):
        return "The sound track is silent throughout."
    if sound.loudness_lufs is None:
        return "There is sound, but too little to measure."
    level = f"{phrases.loudness(sound.loudness_lufs)} ({phrases.lufs(sound.loudness_lufs)})"
    pauses = f", with silence {at(sound.silences)}" if sound.silences else ""
    return f"The sound is {level}{pauses}."


def coverage(signals: Signals) -> str:
    """What was not looked at, and what could not be; empty when all was."""
    sentences = []
    damage = signals.damage or Damage()
    if damage.missing_seconds is not None and signals.duration_seconds:
        promised, early = length(signals.duration_seconds), length(damage.missing_seconds)
        sentences.append(
            f"The file seems to be cut short: its header promises {promised}, "
            f"but it ends {early} early."
        )
    if damage.lost_packets:
        pieces = count(damage.lost_packets, "piece")
        sentences.append(f"The file is damaged: {pieces} of it could not be decoded.")
    looked_at, duration = length(signals.window_seconds), signals.duration_seconds
    if not signals.read_to_end:
        whole = f" of {length(duration)}" if duration else ""
        sentences.append(f"Nothing beyond the first {looked_at}{whole} was looked at.")
    elif not sentences and duration and duration > signals.window_seconds + 1:
        sentences.append(f"The picture ends after {looked_at}, the file after {length(duration)}.")
    return " ".join(sentences)


def shots(signals: Signals) -> str:
    """How many shots; no sentence yet."""
    number = len(signals.shots)
    if number == 1:
        return "one unbroken shot"
    about = "about " if signals.reading is Reading.KEYFRAMES else ""
    return f"{about}{number} shots"


def look(shots: Sequence[Shot]) -> str:
    """Light and colour, as it follows "The picture is"."""
    light = phrases.light(judging.mean_brightness(shots))
    word = phrases.colourfulness(judging.mean_saturation(shots))
    if word == "black and white":
        return f"black and white, {light}"
    if word == "almost without colour":
        return f"{light} and almost without colour"
    return f"{light}, {word}{phrases.palette(judging.mean_colours(shots))}"


def motion(shots: Sequence[Shot]) -> str:
    """How much moves, as it follows "there is"; empty if too short to tell."""
    share = judging.mean_movement(shots)
    if share is None:
        return ""
    places = {shot.movement_place for shot in shots}
    place = places.pop() if len(places) == 1 else None
    return phrases.movement(share, place.value if place else None)
