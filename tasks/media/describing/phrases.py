"""Small pieces of English for measured values: no sentence here knows which task it serves.

Pure. The limits between words were set by looking at what the words then said of real videos.
"""

from __future__ import annotations

from collections.abc import Sequence

from tasks.media.describing.signals import ColourShare, Signals, Span

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


def light(brightness: float) -> str:
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


def size(width: int, height: int) -> str:
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
