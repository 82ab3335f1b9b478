"""The state file: accepted predictions as JSON, one object a line, only ever added to.

A last line that a crash cut short is dropped. The file holds addresses as they were submitted, so
only its owner may read it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

from catalog.errors import SettingsError
from tasks.sandbox import predictions
from tasks.sandbox.faults import Fault
from tasks.sandbox.predictions import Prediction


class Journal:
    """Writes events, and reads them back after a restart. Without a path it does neither."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: TextIO | None = None

    def replay(self) -> Iterator[dict[str, Any]]:
        """Give every event written so far, then get ready to write."""
        if self._path is None:
            return
        whole = 0
        if self._path.exists():
            with self._path.open("rb") as file:
                for line in file:
                    event = self._read(line)
                    if event is None:
                        break
                    whole += len(line)
                    yield event
            os.truncate(self._path, whole)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._file = os.fdopen(descriptor, "a", encoding="utf-8", buffering=1)

    def write(self, kind: str, **event: Any) -> None:
        """Add one event; on return the operating system has it."""
        if self._file is not None:
            self._file.write(json.dumps({"event": kind, **event}, separators=(",", ":")) + "\n")

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _read(self, line: bytes) -> dict[str, Any] | None:
        if not line.endswith(b"\n"):
            return None
        try:
            event = json.loads(line)
        except ValueError as error:
            raise self._foreign() from error
        if not isinstance(event, dict) or "event" not in event:
            raise self._foreign()
        return event

    def _foreign(self) -> SettingsError:
        return SettingsError(f"{self._path} is no sandbox state file; name another, or remove it.")


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
        result=None if fate is None else predictions.FORCED_ENDS.get(fate),
    )
