"""`reelcat show`: everything that is known of one video, for people and as JSON."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any

from catalog.money import dollars
from flows.cli.flags import Json

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from rich.console import Console

    from catalog.detail import Answer, Attempt, Shown, ShownLocation
    from catalog.values import Probe


def show(video: str, /, *, json: Json = False) -> int:
    """Show one video: what it measures, where it lies, its answers and what they cost.

    Example:
        reelcat show harbour.mp4
        reelcat show /films/2009/harbour.mp4
        reelcat show v1-3fa2b4

    Args:
        video: A path, a part of a file's name, or the beginning of a content id.
        json: Print one JSON object.
    """
    from catalog.detail import show as find
    from flows.cli.reading import open_to_read
    from flows.cli.text import output, write_json
    from tasks.storage.uris import displayed

    with open_to_read() as reading:
        shown = find(reading.connection, displayed(video), uri=_uri(video))
    if json:
        write_json(json_of(shown))
    else:
        _print(output(), shown, reading.zone)
    return 0


def _uri(text: str) -> str | None:
    """Give what was typed as the URI of a place, however it was spelled."""
    from pathlib import Path

    from tasks.storage.source import absolute
    from tasks.storage.uris import file_uri, path_of, scheme_of, split_s3, web_uri

    try:
        match scheme_of(text):
            case None:
                return file_uri(absolute(Path(text).expanduser()))
            case "file":
                return file_uri(absolute(path_of(text)))
            case "s3":
                return f"s3://{'/'.join(split_s3(text))}"
            case "http" | "https":
                return web_uri(text)
            case _:
                return None
    except (OSError, ValueError, RuntimeError):  # no path at all, or no home for a ~
        return None


def _print(console: Console, shown: Shown, zone: ZoneInfo) -> None:
    from flows.cli.text import facts, said

    name = shown.places[0].name if shown.places else shown.content_id or ""
    console.print(said(name, "bold"), soft_wrap=True)
    console.print(facts(_measurements(shown, zone)))
    for place in shown.places:
        console.print(said(f"  {_place(place, zone)}"), soft_wrap=True)
    for answer in shown.analyses:
        console.print()
        _print_answer(console, answer, zone)


def _measurements(shown: Shown, zone: ZoneInfo) -> dict[str, str]:
    from rich import filesize

    from flows.cli.text import when, words

    rows = {"content id": shown.content_id or "", "size": filesize.decimal(shown.size_bytes)}
    measured = shown.measured
    if measured is not None:
        if measured.status != "ok":
            rows["problem"] = f"{words(measured.status)}: {measured.error or ''}"
        rows |= {
            "length": _length(measured),
            "picture": _picture(measured),
            "sound": _sound(measured),
            **_by_name(measured, zone),
            "recorded": when(measured.recorded_at, zone),
            "tags": ", ".join(f"{key}: {value}" for key, value in sorted(measured.tags.items())),
            "measured by": measured.engine,
        }
    return {label: value for label, value in rows.items() if value}


#: Measures that other lines have words for; each of the others has a line by its name.
_WORDED = {
    *("status", "error", "engine", "duration_seconds", "duration_source", "video_codec"),
    *("audio_codec", "width", "height", "rotation", "fps", "has_audio", "recorded_at", "tags"),
}


def _by_name(measured: Probe, zone: ZoneInfo) -> dict[str, str]:
    from catalog.measures import MEASURES
    from flows.cli.text import words

    return {
        words(one.name): _text(getattr(measured, one.attribute), zone)
        for one in MEASURES
        if one.attribute not in _WORDED
    }


def _text(value: object, zone: ZoneInfo) -> str:
    """Write any measured value; nothing for one that is unknown."""
    from flows.cli.text import when, words

    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case Enum():
            return words(value.value)
        case Decimal():
            return f"{float(value):g}"
        case datetime():
            return when(value, zone)
        case _:
            return str(value)


def _length(measured: Probe) -> str:
    from catalog.values import DurationSource
    from flows.cli.text import length

    if measured.duration_seconds is None:
        return "unknown"
    read = {
        DurationSource.HEADER: "as its header says",
        DurationSource.TAIL: "its end was read",
        DurationSource.SCAN: "all of it was read",
        DurationSource.NONE: "",
    }[measured.duration_source]
    return f"{length(measured.duration_seconds)}{f' ({read})' if read else ''}"


def _picture(measured: Probe) -> str:
    parts = []
    if measured.width and measured.height:
        parts.append(f"{measured.width}x{measured.height}")
    if measured.fps:
        parts.append(f"{float(measured.fps):g} fps")
    if measured.rotation:
        parts.append(f"turned {measured.rotation}°")
    return " ".join([*parts, measured.video_codec or ""]).strip()


def _sound(measured: Probe) -> str:
    if measured.has_audio is None:
        return ""
    return (measured.audio_codec or "yes") if measured.has_audio else "none"


def _place(place: ShownLocation, zone: ZoneInfo) -> str:
    from flows.cli.text import when

    if place.missing_since:
        return f"{place.uri} (missing since {when(place.missing_since, zone)})"
    return f"{place.uri} ({place.problem})" if place.problem else place.uri


def _print_answer(console: Console, answer: Answer, zone: ZoneInfo) -> None:
    from rich.padding import Padding
    from rich.text import Text

    from catalog.money import show as usd
    from flows.cli.text import said, when, words

    title = Text(words(answer.task), style="bold")
    title.append(f"  {answer.model}, {answer.status}", style="dim")
    if answer.coverage:
        title.append_text(said(f", {answer.coverage}", "dim"))
    console.print(title, soft_wrap=True)
    if answer.instructions:
        console.print(Padding(said(f"asked: {answer.instructions}", "italic"), (0, 0, 0, 2)))
    if answer.text or answer.error:
        console.print(Padding(said(answer.text or answer.error or ""), (0, 0, 0, 2)))
    for one in answer.predictions:
        cost = (
            f"{usd(one.quoted_micros)} at most"
            if one.charged_micros is None
            else f"{usd(one.charged_micros)}{'' if one.settled_at else ' (not on the bill yet)'}"
        )
        steps = ", ".join(f"{entry.kind} {usd(entry.amount_micros)}" for entry in one.ledger)
        provider_id = f" {one.provider_id}" if one.provider_id else ""
        line = f"  prediction{provider_id}, {when(one.held_at, zone)}: {one.status}, {cost}"
        console.print(
            said(f"{line} [{steps}]" if one.quoted_micros else line, "dim"), soft_wrap=True
        )


def json_of(shown: Shown) -> dict[str, Any]:
    """Give everything: decimal strings for money, ISO 8601 for times, null for unknown."""
    return {
        "content_id": shown.content_id,
        "size_bytes": shown.size_bytes,
        "added_at": _json_time(shown.added_at),
        "measured": shown.measured and _json_measures(shown.measured),
        "locations": [_json_location(place) for place in shown.places],
        "analyses": [_json_analysis(answer) for answer in shown.analyses],
    }


def _json_measures(measured: Probe) -> dict[str, Any]:
    from catalog.measures import MEASURES, as_json

    return {one.name: as_json(getattr(measured, one.attribute)) for one in MEASURES}


def _json_location(place: ShownLocation) -> dict[str, Any]:
    return {
        "uri": place.uri,
        "name": place.name,
        "size_bytes": place.size_bytes,
        "storage_class": place.storage_class,
        "first_seen": _json_time(place.first_seen),
        "last_seen": _json_time(place.last_seen),
        "missing_since": _json_time(place.missing_since),
        "problem": place.problem,
    }


def _json_analysis(answer: Answer) -> dict[str, Any]:
    return {
        "task": answer.task.value,
        "model": answer.model,
        "instructions": answer.instructions,
        "window": answer.window,
        "status": answer.status.value,
        "text": answer.text,
        "coverage": answer.coverage,
        "error": answer.error,
        "completed_at": _json_time(answer.completed_at),
        "predictions": [_json_attempt(attempt) for attempt in answer.predictions],
    }


def _json_attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "prediction_id": attempt.provider_id,
        "run_id": attempt.run_id,
        "status": attempt.status.value,
        "quoted_usd": str(dollars(attempt.quoted_micros)),
        "charged_usd": None
        if attempt.charged_micros is None
        else str(dollars(attempt.charged_micros)),
        "held_at": _json_time(attempt.held_at),
        "submitted_at": _json_time(attempt.submitted_at),
        "completed_at": _json_time(attempt.completed_at),
        "expires_at": _json_time(attempt.expires_at),
        "settled_at": _json_time(attempt.settled_at),
        "error": attempt.error,
        "ledger": [
            {
                "kind": entry.kind.value,
                "amount_usd": str(dollars(entry.amount_micros)),
                "at": _json_time(entry.at),
            }
            for entry in attempt.ledger
        ],
    }


def _json_time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
