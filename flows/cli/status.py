"""`reelcat status`: how the catalog stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flows.cli.flags import Json

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from rich.console import Console
    from rich.table import Table

    from catalog.status import Out, Report


def status(*, json: Json = False) -> int:
    """Show what is known, what is out, and what it cost.

    Names every submission whose answer was lost, because its money stays set aside until
    `reelcat reconcile` finds out.

    Example:
        reelcat status
        reelcat status --json

    Args:
        json: Print one JSON object: videos, locations, analyses, predictions, budgets, money,
            bill, unclear_lines.
    """
    from catalog.status import as_json, report
    from catalog.values import utc_now
    from flows.cli.reading import open_to_read
    from flows.cli.text import output, write_json

    with open_to_read() as reading:
        found = report(reading.connection, now=utc_now(), zone=reading.zone)
    if json:
        write_json(as_json(found))
        return 0
    console = output()
    console.print(f"Catalog {reading.shown_url}", style="bold")
    console.print(_counts(found))
    _print_out(console, found, reading.zone)
    _print_differences(console, found)
    _print_unclear(console, found)
    _print_runs(console, found, reading.zone)
    return 0


def _counts(found: Report) -> Table:
    from flows.cli.text import budget_lines, facts

    rows = {
        "videos": _videos(found),
        "files": _places(found),
        "analyses": _each(found.analyses),
        "predictions": _each(found.predictions),
        "money": _money(found),
        "bill": _bill(found),
    }
    table = facts(rows)
    for label, line in budget_lines(found.budgets):
        table.add_row(f"  {label}", line)
    return table


def _videos(found: Report) -> str:
    from flows.cli.text import words

    total = sum(found.videos.values())
    each = [f"{count:,} {words(kind)}" for kind, count in found.videos.items()]
    return " · ".join([f"{total:,}", *each]) if total else "none yet"


def _each(counts: dict[Any, int]) -> str:
    return " · ".join(f"{count:,} {kind}" for kind, count in counts.items() if count) or "none yet"


def _places(found: Report) -> str:
    places = found.places
    parts = [f"{places.total:,}"]
    for count, word in (
        (places.missing, "missing since the last scan"),
        (places.unlooked, "not looked at yet"),
        (places.unread, "not readable"),
    ):
        if count:
            parts.append(f"{count:,} {word}")
    return " · ".join(parts)


def _money(found: Report) -> str:
    from catalog.money import show

    line = f"{show(found.money.charged)} charged · {show(found.money.held)} held"
    return f"{line} · {show(found.money.refunded)} refunded" if found.money.refunded else line


def _bill(found: Report) -> str:
    from catalog.money import show
    from flows.cli.text import counted

    bill = found.bill
    if not bill.settled:
        return "nothing compared yet"
    drift = f"{'+' if bill.drift > 0 else ''}{show(bill.drift)} drift" if bill.drift else "agrees"
    return (
        f"{show(bill.quoted)} quoted · {show(bill.charged)} billed · {drift}, "
        f"over {counted(bill.settled, 'prediction')}"
    )


def _print_differences(console: Console, found: Report) -> None:
    from catalog.money import show
    from flows.cli.text import one_line, said

    if not found.bill.differences:
        return
    console.print("\nBilled otherwise than quoted, largest difference first", style="bold")
    for one in found.bill.differences:
        higher = one.charged > one.quoted
        look = "; `reelcat reconcile --acknowledge-drift` takes note" if higher else ""
        line = (
            f"  #{one.prediction_id} id {one_line(one.provider_id or 'unknown')}: "
            f"{show(one.quoted)} quoted, {show(one.charged)} billed"
            f"{'' if one.seen else look}"
        )
        console.print(said(line), soft_wrap=True)


def _print_unclear(console: Console, found: Report) -> None:
    from flows.cli.text import one_line, said

    if not found.unclear:
        return
    console.print("\nLines of the bill that cannot be counted", style="bold")
    for one in found.unclear:
        whose = one_line(one.provider_id or "unknown")
        look = "" if one.seen else "; `reelcat reconcile --acknowledge-drift` takes note"
        line = f"  line {one_line(one.line)}, id {whose}: {one_line(one.reason)}{look}"
        console.print(said(line), soft_wrap=True)


def _print_out(console: Console, found: Report, zone: ZoneInfo) -> None:
    from catalog.values import PredictionStatus
    from flows.cli.text import counted

    uncertain = found.predictions[PredictionStatus.UNCERTAIN]
    if uncertain:
        console.print(
            f"\n{counted(uncertain, 'submission')} whose answer was lost; the money counts as "
            "spent until `reelcat reconcile` finds out:",
            style="bold yellow",
        )
        for one in found.uncertain:
            console.print(_line(one, zone), soft_wrap=True)
        if uncertain > len(found.uncertain):
            console.print(f"  … and {uncertain - len(found.uncertain):,} more")
    if found.first_to_expire is not None:
        from flows.cli.text import when

        running = found.predictions[PredictionStatus.RUNNING]
        console.print(
            f"\n{counted(running, 'prediction')} at the provider; the first is forgotten "
            f"{when(found.first_to_expire.expires_at, zone)}, `reelcat reconcile` collects it:"
        )
        console.print(_line(found.first_to_expire, zone), soft_wrap=True)


def _line(one: Out, zone: ZoneInfo) -> str:
    from catalog.money import show
    from flows.cli.text import one_line, when, words

    name = one_line(one.name or one.content_id)
    known = f", id {one_line(one.provider_id)}" if one.provider_id else ""
    return (
        f"  #{one.prediction_id} {name}: {words(one.task)}, {show(one.quoted_micros)} at most, "
        f"since {when(one.since, zone)}{known}"
    )


def _print_runs(console: Console, found: Report, zone: ZoneInfo) -> None:
    from flows.cli.text import facts, when, words

    if found.runs:
        console.print("\nLast runs", style="bold")
        rows = facts({})
        for one in found.runs:
            outcome = words(one.outcome) if one.outcome else "not over"
            rows.add_row(when(one.started_at, zone), f"{one.command}: {outcome}  ({one.run_id})")
        console.print(rows)
