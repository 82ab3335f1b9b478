"""Which commands there are, how their help looks, and how a call of `reelcat` ends.

Exit codes: 0 done, 1 done with failures (or a bug, with its traceback), 2 usage or configuration,
3 stopped by the account, 130 interrupted.
"""

from __future__ import annotations

import errno
import importlib
import importlib.metadata
import inspect
import os
import re
import sys
from collections.abc import Callable, Sequence

from cyclopts import App, CycloptsError

from catalog.errors import ReelcatError, UsageError
from flows.cli.output import drop_output
from flows.cli.text import INTERRUPTED, complain, help_output

_CONTINUED = re.compile(r"\n {8,}")
_SECTION = re.compile(r"^(Example|Args):$", re.MULTILINE)


def lesson_of(doc: str) -> tuple[str, str]:
    """Take a docstring apart: its paragraphs, each as one line to be wrapped, and its example.

    >>> lesson_of(lesson_of.__doc__)[0].splitlines()[0]
    'Take a docstring apart: its paragraphs, each as one line to be wrapped, and its example.'
    """
    description, *sections = _SECTION.split(inspect.cleandoc(doc))
    named = dict(zip(sections[::2], sections[1::2], strict=True))
    paragraphs = [" ".join(part.split()) for part in description.strip().split("\n\n")]
    example = named.get("Example", "").strip("\n").rstrip()
    return "\n\n".join(paragraphs), f"Example:\n\n{example}" if example else ""


def unfolded(doc: str) -> str:
    r"""Write each argument of a docstring on one line, to be wrapped as wide as it is shown.

    >>> unfolded("Do it.\n\nArgs:\n    x: One\n        or two.\n    y: Three.")
    'Do it.\n\nArgs:\n    x: One or two.\n    y: Three.'
    """
    before, heading, arguments = inspect.cleandoc(doc).partition("\nArgs:\n")
    return before + heading + _CONTINUED.sub(" ", arguments)


USAGE = 2

_HELP = """Catalog a video archive at a price you set.

Finds the videos in folders and buckets, measures them, says to the cent what describing them would
cost, and has them described inside a budget. Originals are only ever read.

Example:
    reelcat demo
    reelcat plan /films
    reelcat run /films --budget 5
    reelcat search harbour
"""

#: In the order in which help shows them. Each is a function in a module of its name; a module with
#: `COMMANDS` is a group of them.
COMMANDS = (
    "run",
    "plan",
    "status",
    "reconcile",
    "search",
    "show",
    "export",
    "budget",
    "db",
    "config",
    "init",
    "sandbox",
    "doctor",
    "demo",
)


#: What writing to a full disk fails with.
_NO_ROOM = {errno.ENOSPC, errno.EIO, errno.EDQUOT}


def build(first: str = "") -> App:
    """Give the application, with the command `first` alone if there is one of that name.

    So a command that is called does not wait for the others to be imported.
    """
    app = _app("reelcat", _HELP, order=0)
    app.version = _version
    app.console = help_output()
    for order, name in enumerate(COMMANDS):
        if first not in COMMANDS or first == name:
            _add(app, name, order)
    app["--help"].sort_key = len(COMMANDS)
    app["--version"].sort_key = len(COMMANDS) + 1
    return app


def _add(app: App, name: str, order: int) -> None:
    module = importlib.import_module(f"flows.cli.{name}")
    members: Sequence[Callable[..., int]] | None = getattr(module, "COMMANDS", None)
    if members is None:
        _teach(app, name, getattr(module, name), order)
        return
    group = _app(name, module.HELP, order)
    for place, member in enumerate(members):
        _teach(group, member.__name__, member, place)
    app.command(group)


def _app(name: str, doc: str, order: int) -> App:
    text, example = lesson_of(doc)
    return App(
        name=name,
        help=text,
        help_epilogue=example,
        help_format="plaintext",
        sort_key=order,
        result_action="return_value",
        suppress_keyboard_interrupt=False,
        exit_on_error=False,
        print_error=False,
    )


def _teach(app: App, name: str, command: Callable[..., int], order: int) -> None:
    text, example = lesson_of(command.__doc__ or "")
    command.__doc__ = unfolded(command.__doc__ or "")  # where cyclopts finds the arguments
    app.command(command, name=name, help=text, help_epilogue=example, sort_key=order)


def _version() -> str:
    return f"reelcat {importlib.metadata.version('reelcat')}"


def execute(arguments: Sequence[str]) -> int:
    """Run one command and give its exit code. A bug keeps its traceback."""
    try:
        _require_folder()
        result = build(arguments[0] if arguments else "")(list(arguments))
        sys.stdout.flush()
    except CycloptsError as error:
        return _misused(error)
    except ReelcatError as error:
        complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        complain("Interrupted.")
        return INTERRUPTED
    except BrokenPipeError:
        drop_output(sys.stdout)  # whoever read has read enough
        return 0
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        drop_output(sys.stdout)
        complain("The output cannot be written: the disk behind it is full; free some room.")
        return USAGE
    return result if isinstance(result, int) else 0


def _require_folder() -> None:
    try:
        os.getcwd()  # noqa: PTH109 - asked alone
    except OSError:
        raise UsageError(
            "The current folder was removed or cannot be entered; change to one that is there."
        ) from None


def _misused(error: CycloptsError) -> int:
    chain = " ".join(error.command_chain or ())
    command = f"reelcat {chain}".strip()
    complain(f"{str(error).strip()} See `{command} --help`.")
    return USAGE
