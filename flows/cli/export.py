"""`reelcat export`: take the catalog away."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TextIO

from cyclopts import Parameter

if TYPE_CHECKING:
    from collections.abc import Callable

Format = Literal["jsonl", "csv"]


def export(
    *,
    format: Format = "jsonl",  # noqa: A002 - the name of the option
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
) -> int:
    """Write out every video with its measurements and answers.

    jsonl is one object a video, exactly as it is in the catalog. csv is a table with one row an
    analysis (one row for a video without any), made safe for spreadsheets: a text that begins with
    = + - @ gets an apostrophe in front, control characters are left out.

    Example:
        reelcat export > catalog.jsonl
        reelcat export --format csv -o catalog.csv

    Args:
        format: How to write it.
        output: The file to write, replaced only when all is written. Without it, stdout.
    """
    from catalog import export as exporting
    from flows.cli.reading import open_to_read

    writers: dict[Format, Callable[..., None]] = {
        "jsonl": exporting.write_jsonl,
        "csv": exporting.write_csv,
    }
    with open_to_read() as reading:
        exported = exporting.videos(reading.session)
        if output is None:
            _to_stdout(lambda out: writers[format](exported, out))
        else:
            _to_file(output, lambda out: writers[format](exported, out))
    return 0


def _to_stdout(write: Callable[[TextIO], None]) -> None:
    import io
    import sys

    out = sys.stdout
    if isinstance(out, io.TextIOWrapper):
        out.reconfigure(encoding="utf-8", newline="\n", line_buffering=False)
    write(out)


def _to_file(path: Path, write: Callable[[TextIO], None]) -> None:
    """Write a file as a whole, so that a failure leaves what was there; a device as it is."""
    from catalog.errors import UsageError

    whole = path.resolve()  # what a link points to is replaced, not the link
    to_device = whole.exists() and not whole.is_file()
    beside = whole if to_device else whole.with_name(f"{whole.name}.part")
    try:
        with beside.open("w", encoding="utf-8", newline="\n") as out:
            write(out)
        if not to_device:
            beside.replace(whole)
    except OSError as error:
        if not to_device:
            beside.unlink(missing_ok=True)
        raise UsageError(
            f"{path} cannot be written: {error.strerror}; name another file with -o."
        ) from error
