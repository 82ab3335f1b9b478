"""One video as `show --json` prints it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from catalog.money import dollars
from catalog.showing import Answer, Attempt, Measured, Place, Shown


def shown_as_json(shown: Shown) -> dict[str, Any]:
    """Give everything: decimal strings for money, ISO 8601 for times, null for unknown."""
    return {
        "content_id": shown.content_id,
        "size_bytes": shown.size_bytes,
        "added_at": _time(shown.added_at),
        "measured": shown.measured and _measured(shown.measured),
        "locations": [_place(place) for place in shown.places],
        "analyses": [_answer(answer) for answer in shown.analyses],
    }


def _measured(measured: Measured) -> dict[str, Any]:
    return {
        "probe_status": measured.probe_status.value,
        "probe_error": measured.probe_error,
        "probe_engine": measured.probe_engine,
        "container": measured.container,
        "duration_seconds": measured.duration_seconds and float(measured.duration_seconds),
        "duration_source": measured.duration_source.value,
        "video_codec": measured.video_codec,
        "audio_codec": measured.audio_codec,
        "width": measured.width,
        "height": measured.height,
        "rotation": measured.rotation,
        "fps": measured.fps and float(measured.fps),
        "has_audio": measured.has_audio,
        "recorded_at": _time(measured.recorded_at),
        "tags": measured.tags,
    }


def _place(place: Place) -> dict[str, Any]:
    return {
        "uri": place.uri,
        "name": place.name,
        "size_bytes": place.size_bytes,
        "storage_class": place.storage_class,
        "first_seen": _time(place.first_seen),
        "last_seen": _time(place.last_seen),
        "missing_since": _time(place.missing_since),
        "problem": place.problem,
    }


def _answer(answer: Answer) -> dict[str, Any]:
    return {
        "task": answer.task.value,
        "model": answer.model,
        "instructions": answer.instructions,
        "window": answer.window,
        "status": answer.status.value,
        "text": answer.text,
        "coverage": answer.coverage,
        "error": answer.error,
        "completed_at": _time(answer.completed_at),
        "predictions": [_attempt(attempt) for attempt in answer.predictions],
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "prediction_id": attempt.provider_id,
        "run_id": attempt.run_id,
        "status": attempt.status.value,
        "quoted_usd": str(dollars(attempt.quoted_micros)),
        "charged_usd": None
        if attempt.charged_micros is None
        else str(dollars(attempt.charged_micros)),
        "held_at": _time(attempt.held_at),
        "submitted_at": _time(attempt.submitted_at),
        "completed_at": _time(attempt.completed_at),
        "expires_at": _time(attempt.expires_at),
        "settled_at": _time(attempt.settled_at),
        "error": attempt.error,
        "ledger": [
            {
                "kind": entry.kind.value,
                "amount_usd": str(dollars(entry.amount_micros)),
                "at": _time(entry.at),
            }
            for entry in attempt.ledger
        ],
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
