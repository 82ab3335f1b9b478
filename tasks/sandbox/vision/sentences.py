"""Measured values as English: words, what follows from them over time, and sentences.

Pure. The limits between words were set by looking at what the words then said of real videos.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tasks.sandbox.vision.signals import ColourShare, Damage, Reading, Shot, Signals, Span

_MOST_SPANS = 6
_NEUTRALS = frozenset({"black", "dark grey", "grey", "white"})

#: Below each limit, the word for brightness, 0 to 1.
_LIGHT = (
    (0.04, "almost black"),
    (0.2, "dark"),
    (0.36, "rather dark"),
    (0.58, "evenly lit"),
    (0.78, "bright"),
    (2.0, "very bright"),
)
#: Below each limit of ffmpeg's SATAVG.
_SATURATION = (
    (0.6, "black and white"),
    (2.0, "almost without colour"),
    (8.0, "in muted colours"),
    (20.0, "in natural colours"),
    (1000.0, "in strong colours"),
)
#: Below each share of the picture that changes within half a second.
_MOVEMENT = (
    (0.002, "no movement"),
    (0.015, "hardly any movement"),
    (0.12, "a little movement"),
    (0.35, "some movement"),
    (0.6, "much movement"),
    (2.0, "movement all over the picture"),
)
#: Below each integrated loudness in LUFS.
_LOUDNESS = (
    (-69.0, "silent"),
    (-45.0, "very quiet"),
    (-30.0, "quiet"),
    (-18.0, "of medium loudness"),
    (99.0, "loud"),
)


def clock(seconds: float) -> str:
    """A point in time.

    >>> clock(2.6), clock(65), clock(3725)
    ('0:02.6', '1:05', '1:02:05')
    """
    tenths = round(seconds * 10)
    hours, rest = divmod(tenths, 36_000)
    minutes, rest = divmod(rest, 600)
    second = f"{rest // 10:02}" + (f".{rest % 10}" if rest % 10 and not hours else "")
    return f"{hours}:{minutes:02}:{second}" if hours else f"{minutes}:{second}"


def length(seconds: float) -> str:
    """A stretch of time.

    >>> length(0.3), length(1.0), length(12.4), length(139.4), length(3725)
    ('0.3 seconds', '1 second', '12 seconds', '2 min 19 s', '1 h 02 min')
    """
    if seconds < 9.95:
        number = f"{max(seconds, 0.1):.1f}".removesuffix(".0")
        return f"{number} second" if number == "1" else f"{number} seconds"
    whole = round(seconds)
    if whole < 90:
        return f"{whole} seconds"
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """A number and its noun.

    >>> count(0, "cut"), count(1, "cut"), count(2, "stretch", "stretches")
    ('no cuts', '1 cut', '2 stretches')
    """
    word = noun if number == 1 else plural or noun + "s"
    return f"{number or 'no'} {word}"


def listed(parts: Sequence[str], *, conjunction: str = "and") -> str:
    """Parts as English lists them.

    >>> listed(["red", "green", "blue"])
    'red, green and blue'
    """
    return f" {conjunction} ".join(part for part in (", ".join(parts[:-1]), *parts[-1:]) if part)


def span(stretch: Span) -> str:
    """From when to when."""
    return f"{clock(stretch.start_seconds)}\N{EN DASH}{clock(stretch.end_seconds)}"


def spans(stretches: Sequence[Span]) -> str:
    """Several stretches; beyond the first few, how many more."""
    parts = [span(stretch) for stretch in stretches[:_MOST_SPANS]]
    if len(stretches) > _MOST_SPANS:
        parts.append(f"{len(stretches) - _MOST_SPANS} more")
    return listed(parts)


def at(stretches: Sequence[Span]) -> str:
    """When something is so, after a verb."""
    return f"at {spans(stretches)}"


def capital(text: str) -> str:
    """The text with a capital letter in front."""
    return text[:1].upper() + text[1:]


def light_phrase(brightness: float) -> str:
    """How bright, in a word or two."""
    return _below(_LIGHT, brightness)


def colourfulness(saturation: float) -> str:
    """How colourful."""
    return _below(_SATURATION, saturation)


def palette(colours: Sequence[ColourShare]) -> str:
    """Which colours, largest first, as it follows a word on their strength.

    >>> palette([ColourShare(name="grey", share=0.7), ColourShare(name="blue", share=0.1)])
    ', mostly grey with some blue'
    """
    merged = _merge_greys(colours)
    seen = [colour for colour in merged if colour.share >= 0.08][:3]
    if not seen:
        return ", none of them prevailing"
    first = seen[0]
    if first.share < 0.45:
        return ": " + listed([colour.name for colour in seen])
    some = [c.name for c in merged[1:] if c.share >= 0.06 and c.name not in _NEUTRALS][:2]
    return f", mostly {first.name}" + (f" with some {listed(some)}" if some else "")


def movement(share: float, place: str | None) -> str:
    """How much moves, and where."""
    where = f", mostly in {place}" if place and 0.002 <= share < 0.35 else ""
    return _below(_MOVEMENT, share) + where


def loudness(lufs: float) -> str:
    """How loud, in a word or two."""
    return _below(_LOUDNESS, lufs)


def lufs(value: float) -> str:
    """A loudness with its unit and a proper minus."""
    return f"{round(value)} LUFS".replace("-", "\N{MINUS SIGN}")


def size_phrase(width: int, height: int) -> str:
    """The size of a picture in pixels."""
    return f"{width}\N{MULTIPLICATION SIGN}{height}"


def orientation(signals: Signals) -> str:
    """The shape of the picture as displayed."""
    if signals.width == signals.height:
        return "square"
    return "landscape" if signals.width > signals.height else "portrait"


def _merge_greys(colours: Sequence[ColourShare]) -> list[ColourShare]:
    """Grey and dark grey are one word when both are there."""
    greys = [colour for colour in colours if colour.name in ("grey", "dark grey")]
    if len(greys) < 2:
        return list(colours)
    merged = ColourShare(name="grey", share=sum(colour.share for colour in greys))
    rest = [colour for colour in colours if colour not in greys]
    return sorted([merged, *rest], key=lambda colour: -colour.share)


def _below(table: Sequence[tuple[float, str]], value: float) -> str:
    return next(word for limit, word in table if value < limit)


#: Loudness that meters show where there is nothing to hear.
_SILENT_LUFS = -69.0
#: Detectors and cuts disagree by a frame or two.
_SLACK_SECONDS = 0.1


def always_black(signals: Signals) -> bool:
    """Whether there is never a picture."""
    return _lasts(signals.black, signals)


def always_still(signals: Signals) -> bool:
    """Whether nothing changes from start to end."""
    return _lasts(signals.frozen, signals)


def is_silent(signals: Signals) -> bool:
    """Whether there is a sound track with nothing to hear on it."""
    sound = signals.sound
    if sound is None:
        return False
    quiet = sound.loudness_lufs is not None and sound.loudness_lufs < _SILENT_LUFS
    return quiet or _lasts(sound.silences, signals)


def moves_by_times(signals: Signals) -> bool:
    """Whether there are clear stretches of movement and of rest."""
    busy = sum(stretch.seconds for stretch in signals.activity)
    rest = signals.window_seconds - busy
    return bool(signals.activity) and rest >= max(4.0, 0.1 * signals.window_seconds)


def still(signals: Signals) -> tuple[Span, ...]:
    """Frozen stretches, apart from black ones and from the rests between movements."""
    if moves_by_times(signals):
        return ()
    return tuple(stretch for stretch in signals.frozen if not covers(signals.black, stretch))


def shown_shots(signals: Signals) -> tuple[Shot, ...]:
    """The shots that are not black."""
    return tuple(shot for shot in signals.shots if not covers(signals.black, shot.span))


def covers(stretches: Iterable[Span], inner: Span) -> bool:
    """Whether one of the stretches holds (nearly) all of another."""
    return any(
        outer.start_seconds - _SLACK_SECONDS <= inner.start_seconds
        and inner.end_seconds <= outer.end_seconds + _SLACK_SECONDS
        for outer in stretches
    )


def mean_brightness(shots: Iterable[Shot]) -> float:
    """Over time."""
    return _mean((shot, shot.brightness) for shot in shots)


def mean_saturation(shots: Iterable[Shot]) -> float:
    """Over time."""
    return _mean((shot, shot.saturation) for shot in shots)


def mean_movement(shots: Iterable[Shot]) -> float | None:
    """Over time; None if no shot is long enough to tell."""
    told = [(shot, shot.movement) for shot in shots if shot.movement is not None]
    return _mean(told) if told else None


def mean_colours(shots: Sequence[Shot]) -> tuple[ColourShare, ...]:
    """Over time, largest first."""
    names = sorted({colour.name for shot in shots for colour in shot.colours})
    shares = [
        ColourShare(name=name, share=_mean((shot, _share(shot, name)) for shot in shots))
        for name in names
    ]
    return tuple(sorted(shares, key=lambda colour: -colour.share))


def _share(shot: Shot, name: str) -> float:
    return next((colour.share for colour in shot.colours if colour.name == name), 0.0)


def _mean(values: Iterable[tuple[Shot, float]]) -> float:
    weighted = [(max(shot.span.seconds, 0.001), value) for shot, value in values]
    return sum(weight * value for weight, value in weighted) / sum(weight for weight, _ in weighted)


def _lasts(stretches: Sequence[Span], signals: Signals) -> bool:
    lasting = sum(stretch.seconds for stretch in stretches)
    return bool(stretches) and lasting >= 0.97 * signals.window_seconds


#: More stretches than this are counted, not listed.
_FEW_STRETCHES = 3


def opening(signals: Signals) -> str:
    """What kind of clip it is."""
    duration = signals.duration_seconds
    how_long = f" of {length(duration)}" if duration else " of unknown length"
    size = size_phrase(signals.width, signals.height)
    clip = f"{orientation(signals)} clip{how_long} ({size})"
    bars = f", with black bars {signals.bars.value}," if signals.bars else ""
    title = signals.texts.title
    start = f"“{title}”: a {clip}" if title else f"A {clip}"
    return f"{start}{bars} in {shots(signals)}."


def picture(signals: Signals) -> str:
    """Light, colour and motion in one sentence."""
    if always_black(signals):
        return "The picture is black throughout."
    shown = shown_shots(signals)
    seen = look(shown or signals.shots)
    if always_still(signals):
        return f"The picture is {seen}; it is a still, in which nothing changes."
    moving = motion(shown)
    if moving and moves_by_times(signals):
        times = len(signals.activity)
        moving += (
            f", {at(signals.activity) if times <= _FEW_STRETCHES else f'in {times} stretches'}"
        )
    sentence = f"The picture is {seen}" + (f"; there is {moving}." if moving else ".")
    gone = [
        f"{state} {at(stretches)}"
        for state, stretches in (("black", signals.black), ("frozen", still(signals)))
        if stretches
    ]
    return f"{sentence} It is {listed(gone)}." if gone else sentence


def hearing(signals: Signals) -> str:
    """The sound in one sentence."""
    sound = signals.sound
    if sound is None:
        return "There is no sound track."
    if is_silent(signals):
        return "The sound track is silent throughout."
    if sound.loudness_lufs is None:
        return "There is sound, but too little to measure."
    level = f"{loudness(sound.loudness_lufs)} ({lufs(sound.loudness_lufs)})"
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
    light = light_phrase(mean_brightness(shots))
    word = colourfulness(mean_saturation(shots))
    if word == "black and white":
        return f"black and white, {light}"
    if word == "almost without colour":
        return f"{light} and almost without colour"
    return f"{light}, {word}{palette(mean_colours(shots))}"


def motion(shots: Sequence[Shot]) -> str:
    """How much moves, as it follows "there is"; empty if too short to tell."""
    share = mean_movement(shots)
    if share is None:
        return ""
    places = {shot.movement_place for shot in shots}
    place = places.pop() if len(places) == 1 else None
    return movement(share, place.value if place else None)
