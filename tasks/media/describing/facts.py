"""All that was measured on one topic, in sentences.

Pure. Each topic has its function; the answers choose among them.
"""

from __future__ import annotations

from tasks.media.describing import judging, phrases, sentences
from tasks.media.describing.focus import Topic
from tasks.media.describing.phrases import at, capital, clock, count, length, listed
from tasks.media.describing.signals import Reading, Signals

_MOST_CUTS = 8
_MOST_CHAPTERS = 6
_QUOTED_LINES = 3


def facts(signals: Signals, topic: Topic) -> str:
    """All that was measured on a topic."""
    return _FACTS[topic](signals)


def _format(signals: Signals) -> str:
    duration = signals.duration_seconds
    size = phrases.size(signals.width, signals.height)
    told = [
        f"It lasts {length(duration)}." if duration else "How long it lasts is not known.",
        f"The picture is {phrases.orientation(signals)}, {size}"
        + (f", stored turned by {signals.rotation}°." if signals.rotation else "."),
    ]
    if signals.bars is not None:
        told.append(f"It has black bars {signals.bars.value}.")
    return " ".join(told)


def _light(signals: Signals) -> str:
    levels = [shot.brightness for shot in signals.shots]
    level = phrases.light(judging.mean_brightness(signals.shots))
    contrast = sum(shot.contrast for shot in signals.shots) / len(signals.shots)
    if contrast > 0.6:
        level += ", with high contrast"
    elif contrast < 0.2:
        level += ", with low contrast"
    told = [f"{capital(level)}."]
    darkest, brightest = phrases.light(min(levels)), phrases.light(max(levels))
    if darkest != brightest:
        told[0] = f"{capital(level)} on average, with scenes from {darkest} to {brightest}."
    if signals.black:
        told.append(f"Black {at(signals.black)}.")
    return " ".join(told)


def _colour(signals: Signals) -> str:
    shown = judging.shown(signals)
    if not shown:
        return "No colour: the picture is black."
    saturation = judging.mean_saturation(shown)
    word = phrases.colourfulness(saturation)
    if word == "black and white":
        return "Black and white."
    shares = [
        f"{colour.name} {round(100 * colour.share)} %"
        for colour in judging.mean_colours(shown)
        if colour.share >= 0.05
    ][:5]
    of = f": {listed(shares)} of the picture" if shares else ""
    return f"{capital(word)}{of}."


def _motion(signals: Signals) -> str:
    if judging.always_still(signals):
        return "Nothing moves: one still picture throughout."
    moving = sentences.motion(signals.shots)
    told = [f"{capital(moving)}." if moving else "Too short to tell what moves."]
    if judging.moves_by_times(signals):
        told.append(f"It moves {at(signals.activity)}, and rests otherwise.")
    if judging.still(signals):
        told.append(f"Frozen {at(judging.still(signals))}.")
    return " ".join(told)


def _sound(signals: Signals) -> str:
    sound = signals.sound
    first = sentences.hearing(signals)
    if sound is None or judging.is_silent(signals):
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
