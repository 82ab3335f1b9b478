"""`reelcat init`: what nightly runs are set up with, in a folder that is no clone."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from flows.cli.flags import Flag

#: What is to be cataloged, where nobody said it: also as .env.example has it.
_FILMS = "/films"

#: Each file, and what it is for: the end of a sentence.
_FILES = {
    "prefect.yaml": "has the deployments; `prefect --no-prompt deploy --all` registers them.",
    ".env.example": "has the common settings; copy it to .env, chmod 600 it and put the key in.",
    "reelcat.service": "is what systemd runs every night; it says how it is installed.",
    "reelcat.timer": "says when systemd runs it.",
    "crontab": "has the line for cron, where neither Prefect nor systemd is used.",
}


def init(
    folder: Path = Path(),
    *,
    source: Annotated[
        tuple[str, ...], Parameter(negative="", consume_multiple=False, show_default=False)
    ] = (),
    budget: str = "5",
    overwrite: Annotated[bool, Flag] = False,
) -> int:
    """Write what nightly runs are set up with: for Prefect, systemd or cron.

    Writes prefect.yaml, .env.example, reelcat.service, reelcat.timer and crontab into a folder,
    from which the nights are run then; a clone is not needed. Starts nothing, and leaves files
    alone that are there already.

    Example:
        reelcat init /srv/catalog --source /films --source s3://films/2009/
        cd /srv/catalog
        cp .env.example .env && chmod 600 .env
        reelcat doctor

    Args:
        folder: Where to write; made if it is not there. Default: the current folder.
        source: What a night catalogs, as `reelcat run` takes it. Repeatable. Default: /films, which
            is to be replaced in the files.
        budget: Dollars that a night of systemd or cron spends at most. The deployments of Prefect
            have theirs in prefect.yaml.
        overwrite: Write files anew that are there already.
    """
    from catalog.money import dollars, parse_dollars
    from flows.cli.text import output, said

    limit = dollars(parse_dollars(budget, setting="--budget"))
    texts = _texts(folder.absolute(), [_named(one) for one in source], f"{limit:f}")
    _make(folder)
    for name, text in texts.items():
        was = _write(folder / name, text, overwrite=overwrite)
        output().print(said(f"{folder / name} {was}"), soft_wrap=True)
    if not source:
        output().print(f"Replace {_FILMS} in these files by what is to be cataloged.")
    return 0


def _named(source: str) -> str:
    """Name a source so that it can be found from any folder; it need not be there yet.

    Raises:
        UsageError, SourceError: it is no source.
    """
    from tasks.storage.source import absolute, parse_source
    from tasks.storage.uris import path_of, scheme_of

    match scheme_of(source):
        case None if source.strip():
            mark = "@" if source.startswith("@") else ""
            return f"{mark}{absolute(source.removeprefix(mark))}"
        case "file":
            return str(path_of(source))
        case _:
            return parse_source(source).named


def _texts(place: Path, sources: Sequence[str], budget: str) -> dict[str, str]:
    """Give each file's text by its name."""
    import getpass
    import json

    from catalog.errors import UsageError

    command = [_own_command(), "run", *(sources or [_FILMS]), "--budget", budget]
    for word in (str(place), *command):
        if not word.isprintable():
            raise UsageError(
                f"{word!r} holds what neither systemd nor cron can be told; name a folder or a "
                "source without line breaks and control characters."
            )
    texts = {name: _template(name) for name in _FILES}
    if sources:
        listed = sources[0] if len(sources) == 1 else json.dumps(sources, ensure_ascii=False)
        quoted = listed.replace("\\", "\\\\").replace("'", "\\'")
        texts[".env.example"] = texts[".env.example"].replace(
            f"#REELCAT_SOURCES={_FILMS}", f"REELCAT_SOURCES='{quoted}'"
        )
    texts["reelcat.service"] = _filled(
        texts["reelcat.service"],
        user=getpass.getuser(),
        folder=str(place).replace("%", "%%"),
        command=" ".join(map(_for_systemd, command)),
    )
    texts["crontab"] = _filled(
        texts["crontab"], folder=_for_cron([str(place)]), command=_for_cron(command)
    )
    return texts


def _filled(template: str, **values: str) -> str:
    for name, value in values.items():
        template = template.replace(f"@{name}@", value)
    return template


def _for_systemd(word: str) -> str:
    r"""Quote one word of a command for a unit.

    >>> print(_for_systemd("/films/50 % \\ $1"), _for_systemd("--budget"))
    "/films/50 %% \\ $$1" --budget
    """
    for sign, written in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$")):
        word = word.replace(sign, written)
    return f'"{word}"' if set(word) & set(" \"'\\;") else word


def _for_cron(words: Sequence[str]) -> str:
    r"""Quote a command for a crontab, where `%` ends a line.

    >>> print(_for_cron(["reelcat", "run", "/films/50 %"]))
    reelcat run '/films/50 '\%''
    """
    return shlex.join(words).replace("%", "'\\%'")


def _own_command() -> str:
    """Give the path of the `reelcat` that belongs to this Python, else the name."""
    import sys

    installed = Path(sys.executable).with_name("reelcat")
    return str(installed) if installed.exists() else "reelcat"


def _template(name: str) -> str:
    """Give a file as it lies in an installed wheel, or in the repository."""
    wheel, repository = Path(__file__).parents[1] / "_deploy", Path(__file__).parents[2]
    folders = (wheel,) if wheel.exists() else (repository / "deploy", repository)
    found = (folder / name for folder in folders if (folder / name).exists())
    return next(found).read_text("utf-8")


def _make(folder: Path) -> None:
    from catalog.errors import UsageError

    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        message = f"{folder} cannot be made: {error.strerror}; name another folder."
        raise UsageError(message) from error


def _write(path: Path, text: str, *, overwrite: bool) -> str:
    """Write a file unless another one is there; gives what to say of it behind its name.

    Raises:
        UsageError: it cannot be written, or what is there cannot be read.
    """
    from catalog.errors import UsageError

    try:
        there = path.read_text("utf-8", errors="replace") if os.path.lexists(path) else None
        if there not in {None, text} and not overwrite:
            return "is there already and was left as it is; --overwrite writes it anew."
        if there != text:
            path.unlink(missing_ok=True)
            with path.open("x", encoding="utf-8") as file:
                os.fchmod(file.fileno(), 0o644)  # a group that could write it would not be trusted
                file.write(text)
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}; name another folder."
        raise UsageError(message) from error
    return _FILES[path.name]
