"""How an accepted prediction is written into the state file and read back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tasks.wavespeed.sandbox import fates
from tasks.wavespeed.sandbox.faults import Fault
from tasks.wavespeed.sandbox.predictions import Prediction

_AS_THEY_ARE = (
    "id",
    "model",
    "task",
    "text",
    "video",
    "identity",
    "price_micros",
    "list_price_micros",
    "is_billed",
    "created_ns",
    "latency_ns",
)


def accepted_event(prediction: Prediction) -> dict[str, Any]:
    """Give what the state file keeps of an acceptance."""
    seconds = prediction.duration_seconds
    return {name: getattr(prediction, name) for name in _AS_THEY_ARE} | {
        "duration_seconds": None if seconds is None else str(seconds),
        "fate": prediction.fate,
    }


def revive(event: dict[str, Any]) -> Prediction:
    """Make the prediction of an acceptance again, as it was then."""
    seconds = event["duration_seconds"]
    fate = None if event["fate"] is None else Fault(event["fate"])
    return Prediction(
        **{name: event[name] for name in _AS_THEY_ARE},
        duration_seconds=None if seconds is None else Decimal(seconds),
        fate=fate,
        result=None if fate is None else fates.FORCED_ENDS.get(fate),
    )
