"""What follows from signals before any words: averages over time, and what lasts throughout.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tasks.media.describing.signals import ColourShare, Shot, Signals, Span

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


def shown(signals: Signals) -> tuple[Shot, ...]:
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
