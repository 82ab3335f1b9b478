"""Transcripts in Markdown: ```console blocks, whose `$ ` lines are commands and the rest output.

`…` on a line of its own stands for any lines, within a line for anything. What differs from one
machine to the next (sizes, days, content ids) is compared by its shape.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)

#: What differs, and what is written for it.
_SHAPES = (
    (re.compile(r"\bv1-[0-9a-f]{40}\b"), "v1-ID"),
    (re.compile(r"\b\d+(\.\d)? [kM]B\b"), "SIZE"),
    (re.compile(r"(?<=\S)  +"), "  "),
    (re.compile(r"\b\d{4}-\d{2}(-\d{2})?( \d{2}:\d{2} UTC)?"), "DAY"),
    (re.compile(r"\bonly [\d,]+ of at least [\d,]+ bytes\b"), "only N of at least N bytes"),
    (re.compile(r"http://127\.0\.0\.1:\d+"), "http://127.0.0.1:PORT"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One command, and what it has to say."""

    command: str
    expected: str


def steps_of(page: str) -> list[Step]:
    """Read a page's transcripts, in their order."""
    steps = []
    for block in _BLOCK.findall(page):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            steps.append(Step(command=command, expected=expected))
    return steps


def shape_of(said: str) -> str:
    r"""Give what was said without what differs from machine to machine.

    >>> shape_of("a.mp4   12.5 kB  v1-" + 40 * "0" + "   \n")
    'a.mp4  SIZE  v1-ID'
    """
    text = "\n".join(line.rstrip() for line in said.strip("\n").splitlines())
    for pattern, word in _SHAPES:
        text = pattern.sub(word, text)
    return text


def agrees(expected: str, said: str) -> bool:
    r"""Tell whether what was said is what the transcript shows.

    >>> agrees("a\n…\nd …\n", "a\nb\nc\nd e\n"), agrees("a\n…\n", "a\n"), agrees("a\n", "a\nb\n")
    (True, True, False)
    """
    lines = [
        r"(?:.*\n)*" if line == "…" else re.escape(line).replace("…", ".*") + r"\n"
        for line in shape_of(expected).splitlines()
    ]
    return re.fullmatch("".join(lines), shape_of(said) + "\n") is not None or (
        shape_of(expected) == shape_of(said) == ""
    )
