"""`reelcat demo`: see what it does, without a key, a network or videos of one's own."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from flows.pipeline.report import RunReport

#: Whose answers are shown in full.
_SHOWN = ("events/lantern-parade.mkv", "films/harbour-reel-3.mp4")


def demo(*, folder: Path = Path("demo")) -> int:
    """Make sample clips, catalog them offline, and show the result. Costs nothing.

    Needs no key and no network. One of the clips is there twice and one is broken, as in any
    archive. A second call finds nothing left to do.

    Example:
        reelcat demo
        reelcat demo --folder /tmp/reelcat-demo

    Args:
        folder: Where the clips and their catalog are put.
    """
    from catalog.values import RunStatus
    from flows.cli.session import work
    from flows.cli.text import errors, output
    from flows.pipeline.request import RunRequest
    from flows.pipeline.run import run
    from flows.settings import read_settings
    from tasks.sandbox.samples import make_samples

    videos = folder / "videos"
    if errors().is_terminal:
        errors().print(f"Making sample clips in {videos} …")
    _make(folder)
    make_samples(videos.absolute())
    settings = read_settings(catalog=False).model_copy(update={"database_url": _url(folder)})
    request = RunRequest.of(sources=(str(videos.absolute()),), provider="offline")
    report = work(run, request, ask=False, settings=settings)
    if report.status not in {RunStatus.COMPLETED, RunStatus.COMPLETED_WITH_FAILURES}:
        return report.exit_code
    _print(output(), folder, report)
    return 0


def _make(folder: Path) -> None:
    from catalog.errors import UsageError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"{folder} cannot be made: {error.strerror}; name another one with --folder."
        raise UsageError(message) from error


def _url(folder: Path) -> str:
    return f"sqlite:///{folder / 'reelcat.db'}"


def _print(console: Console, folder: Path, report: RunReport) -> None:
    exported = _exported(folder)
    console.print()
    console.print(_table(exported, folder / "videos"))
    console.print()
    _print_answers(console, exported)
    _print_finds(console, exported, report, folder / "videos")
    _print_next(console, folder)


def _exported(folder: Path) -> list[dict[str, Any]]:
    from catalog import export
    from catalog.schema import open_existing

    catalog = open_existing(_url(folder))
    try:
        with catalog.snapshot() as connection:
            return list(export.videos(connection))
    finally:
        catalog.close()


def _name(uri: str, videos: Path) -> str:
    from tasks.storage.uris import path_of

    return path_of(uri).relative_to(videos.absolute()).as_posix()


def _table(exported: list[dict[str, Any]], videos: Path) -> Any:
    from decimal import Decimal

    from rich import filesize

    from catalog.money import show
    from catalog.pricing import MOLMO2_PRICES, quote
    from flows.cli.text import columns, length

    rows = []
    for video in exported:
        seconds = None
        if video["duration_seconds"] is not None and not video["probe_error"]:
            seconds = Decimal(str(video["duration_seconds"]))
        each = quote(seconds, MOLMO2_PRICES)
        rows.append(
            (
                _name(video["uris"][0], videos) + (" (twice)" if video["uris"][1:] else ""),
                length(seconds),
                filesize.decimal(video["size_bytes"]),
                f"{video['width']}x{video['height']}" if video["width"] else "",
                "" if each is None else show(each * len(video["analyses"])),
            )
        )
    headings = ("clip", "length", "size", "picture", "with Molmo2")
    return columns(headings, sorted(rows), right=("length", "size", "with Molmo2"))


def _print_answers(console: Console, exported: list[dict[str, Any]]) -> None:
    from rich.padding import Padding

    from flows.cli.text import said, words

    for video in exported:
        for name in _SHOWN:
            if any(uri.endswith(f"/videos/{name}") for uri in video["uris"]):
                console.print(said(name, "bold"))
                for analysis in video["analyses"]:
                    console.print(said(f"  {words(analysis['task'])}", "dim"))
                    console.print(Padding(said(analysis["text"] or ""), (0, 0, 0, 4)))
                console.print()


def _print_finds(
    console: Console, exported: list[dict[str, Any]], report: RunReport, videos: Path
) -> None:
    from catalog.money import show
    from flows.cli.text import said

    for video in exported:
        names = [_name(uri, videos) for uri in video["uris"]]
        if len(names) > 1:
            console.print(said(f"Twice: {' and '.join(names)} are one video, described once."))
        if video["probe_error"]:
            console.print(said(f"Broken: {names[0]}. {video['probe_error']}"))
    done = report.stats.analyses
    if done.submitted == 0:
        console.print(f"Nothing was left to do: all {done.done_before} answers were there.")
    console.print(
        f"Molmo2 would have cost {show(report.stats.money.instead or 0)} at most. These answers "
        "were measured by FFmpeg, for nothing."
    )


def _print_next(console: Console, folder: Path) -> None:
    from flows.cli.text import called_as

    call = f"REELCAT_DATABASE_URL={shlex.quote(_url(folder))} {called_as()}"
    console.print("\nTry next:", style="bold")
    for command in ("search lantern", "show harbour-reel", "export --format csv"):
        console.print(f"  {call} {command}", soft_wrap=True)
