"""Builds signals for tests: an ordinary ten-second clip, of which each test says what differs."""

from __future__ import annotations

from typing import Any

from tasks.sandbox.vision.signals import ColourShare, Reading, Shot, Signals, Sound, Span, Texts


def span(start: float, end: float) -> Span:
    return Span(start_seconds=start, end_seconds=end)


def shot(start: float, end: float, **changes: Any) -> Shot:
    values: dict[str, Any] = {
        "span": span(start, end),
        "brightness": 0.5,
        "contrast": 0.4,
        "saturation": 12.0,
        "colours": (ColourShare(name="green", share=0.7), ColourShare(name="blue", share=0.2)),
        "movement": 0.2,
        "movement_place": None,
    }
    return Shot(**{**values, **changes})


def sound(**changes: Any) -> Sound:
    values: dict[str, Any] = {
        "tracks": 1,
        "channels": 2,
        "loudness_lufs": -23.0,
        "range_lu": 4.0,
        "loudest_at_seconds": 3.0,
        "silences": (),
    }
    return Sound(**{**values, **changes})


def signals(**changes: Any) -> Signals:
    values: dict[str, Any] = {
        "duration_seconds": 10.0,
        "window_seconds": 10.0,
        "read_to_end": True,
        "reading": Reading.EVERY_FRAME,
        "width": 1280,
        "height": 720,
        "rotation": 0,
        "shots": (shot(0, 10),),
        "black": (),
        "frozen": (),
        "activity": (span(0, 9.5),),
        "bars": None,
        "sound": sound(),
        "texts": Texts(),
        "damage": None,
    }
    return Signals(**{**values, **changes})
