"""`reelcat export`: take the catalog away."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TextIO

from cyclopts import Parameter

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

Format = Literal["jsonl", "csv"]


def export(
    *,
    format: Format = "jsonl",  # noqa: A002 - the name of the option
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], allow_leading_hyphen=True)
    ] = None,
    mode: str | None = None,
) -> int:
    """Write out every video with its measurements and answers.

    jsonl is one object a video, exactly as it is in the catalog. csv is a table with one row an
    analysis (one row for a video without any), made safe for spreadsheets: a text gets an
    apostrophe wherever = + - @ come first in it or behind a separator, and control characters are
    left out.

    A file is private, as the catalog is, and replaced only when all is written. Links, folders and
    the catalog's own files are refused.

    Example:
        reelcat export > catalog.jsonl
        reelcat export --format csv -o catalog.csv
        reelcat export -o shared.jsonl --mode 640

    Args:
        format: How to write it.
        output: The file, pipe or device to write. Without it, or for -, stdout.
        mode: Who may read and write the file, as three octal digits; umask leaves it to the umask.
            Default: 600.
    """
    from catalog import export as exporting
    from flows.cli.export_file import read_mode, write_out
    from flows.cli.reading import open_to_read

    writers: dict[Format, Callable[..., None]] = {
        "jsonl": exporting.write_jsonl,
        "csv": exporting.write_csv,
    }
    wanted = read_mode(mode)
    _require_a_name(output)
    with open_to_read() as reading:
        exported = exporting.videos(reading.connection)
        if output is None or str(output) == "-":
            _to_stdout(lambda out: writers[format](exported, out))
        else:
            write_out(
                output,
                lambda out: writers[format](exported, out),
                mode=wanted,
                catalog=_file_of(reading.connection),
            )
    return 0


def _require_a_name(output: Path | None) -> None:
    """Raise if an option was taken for the name, as where the name was forgotten."""
    from catalog.errors import UsageError

    name = "" if output is None else str(output)
    if name.startswith("-") and name != "-":
        raise UsageError(f"-o takes the name of a file, not {name}; write ./{name} if it is one.")


def _to_stdout(write: Callable[[TextIO], None]) -> None:
    import io
    import sys

    out = sys.stdout
    if isinstance(out, io.TextIOWrapper):
        out.reconfigure(encoding="utf-8", newline="\n", line_buffering=False)
    write(out)


def _file_of(connection: Connection) -> Path | None:
    """Return where the open catalog lies, as SQLite itself says; None for a database elsewhere."""
    if connection.dialect.name != "sqlite":
        return None
    name = connection.exec_driver_sql("PRAGMA database_list").first()
    return Path(name[2]) if name is not None and name[2] else None
