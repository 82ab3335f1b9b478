"""`reelcat show`: everything that is known of one video."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.cli.shared import Json

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from rich.console import Console

    from catalog.showing import Answer, Measured, Place, Shown


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
    from catalog.showing import show as find
    from flows.cli.reading import open_to_read
    from flows.cli.terminal import output, write_json
    from tasks.storage.uris import displayed

    with open_to_read() as reading:
        shown = find(reading.session, displayed(video), uri=_uri(video))
    if json:
        from flows.cli.shown_as_json import shown_as_json

        write_json(shown_as_json(shown))
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
    from flows.cli.tables import facts
    from flows.cli.terminal import said

    name = shown.places[0].name if shown.places else shown.content_id or ""
    console.print(said(name, "bold"), soft_wrap=True)
    console.print(facts(_measurements(shown, zone)))
    for place in shown.places:
        console.print(said(f"  {_place(place, zone)}"), soft_wrap=True)
    for answer in shown.analyses:
        console.print()
        _print_answer(console, answer, zone)


def _measurements(shown: Shown, zone: ZoneInfo) -> dict[str, str]:
    from flows.cli.wording import size, when, words

    rows = {"content id": shown.content_id or "", "size": size(shown.size_bytes)}
    measured = shown.measured
    if measured is not None:
        if measured.probe_status != "ok":
            rows["problem"] = f"{words(measured.probe_status)}: {measured.probe_error or ''}"
        rows |= {
            "length": _length(measured),
            "picture": _picture(measured),
            "sound": _sound(measured),
            "container": measured.container or "",
            "recorded": when(measured.recorded_at, zone),
            "tags": ", ".join(f"{key}: {value}" for key, value in sorted(measured.tags.items())),
            "measured by": measured.probe_engine,
        }
    return {label: value for label, value in rows.items() if value}


def _length(measured: Measured) -> str:
    from catalog.values import DurationSource
    from flows.cli.wording import length

    if measured.duration_seconds is None:
        return "unknown"
    read = {
        DurationSource.HEADER: "as its header says",
        DurationSource.TAIL: "its end was read",
        DurationSource.SCAN: "all of it was read",
        DurationSource.NONE: "",
    }[measured.duration_source]
    return f"{length(measured.duration_seconds)}{f' ({read})' if read else ''}"


def _picture(measured: Measured) -> str:
    parts = []
    if measured.width and measured.height:
        parts.append(f"{measured.width}x{measured.height}")
    if measured.fps:
        parts.append(f"{float(measured.fps):g} fps")
    if measured.rotation:
        parts.append(f"turned {measured.rotation}°")
    return " ".join([*parts, measured.video_codec or ""]).strip()


def _sound(measured: Measured) -> str:
    if measured.has_audio is None:
        return ""
    return (measured.audio_codec or "yes") if measured.has_audio else "none"


def _place(place: Place, zone: ZoneInfo) -> str:
    from flows.cli.wording import when

    if place.missing_since:
        return f"{place.uri} (missing since {when(place.missing_since, zone)})"
    return f"{place.uri} ({place.problem})" if place.problem else place.uri


def _print_answer(console: Console, answer: Answer, zone: ZoneInfo) -> None:
    from rich.padding import Padding
    from rich.text import Text

    from catalog.money import show as usd
    from flows.cli.terminal import said
    from flows.cli.wording import when, words

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
