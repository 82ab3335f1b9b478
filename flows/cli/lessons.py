"""Help that teaches: a docstring as the terminal shows it."""

from __future__ import annotations

import inspect
import re

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
