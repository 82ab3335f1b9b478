"""Pages that cannot drift: links lead somewhere, and the commands that are named exist."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from repository import PACKAGES, ROOT, files, name_of

from flows.configuration.origins import variable_of
from flows.settings import Settings

PAGES = [path for path in files(".md") if path.name != "LICENSE"]
CLI_PAGE = (ROOT / "docs" / "cli.md").read_text("utf-8")

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_CALL = re.compile(r"`+reelcat ([a-z][^`]*)`")


def anchors_of(page: str) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", page), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    lost = []
    for target in _LINK.findall(_FENCE.sub("", page.read_text("utf-8"))):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and anchor not in anchors_of(there.read_text("utf-8"))):
            lost.append(target)
    assert lost == []


def test_what_the_program_says_of_itself_is_what_the_pages_say():
    done = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def help_of(command: str) -> str | None:
    """What docs/cli.md says of a command, or of its group; None if there is no such command."""
    words = command.split()
    for name in (" ".join(words[:2]), words[0]):
        found = re.search(
            rf"^## reelcat {re.escape(name)}\n(.*?)(?=^## |\Z)", CLI_PAGE, re.MULTILINE | re.DOTALL
        )
        if found:
            return found[1]
    return None


def advice() -> list[tuple[str, str]]:
    """Every call of `reelcat` in back quotes, in pages and in what the program says."""
    sources = [path for path in files(".py", ".md") if name_of(path) != "docs/cli.md"]
    return [
        (name_of(path), " ".join(call.split()))
        for path in sources
        if path.suffix == ".md" or path.relative_to(ROOT).parts[0] in PACKAGES
        for call in _CALL.findall(re.sub(r'"\n\s*f?"', "", path.read_text("utf-8")))
    ]


def test_the_commands_that_people_are_told_to_call_exist():
    assert len(advice()) > 20
    wrong = []
    for place, call in advice():
        shown = help_of(call)
        options = re.findall(r"(?<!\S)--[a-z-]+", call)
        if shown is None or any(f"{option} " not in shown.replace("│", " ") for option in options):
            wrong.append(f"{place}: reelcat {call}")
    assert wrong == []


def test_make_prints_every_target_that_it_has():
    text = (ROOT / "Makefile").read_text("utf-8")
    [phony] = re.findall(r"^\.PHONY: (.+)$", text, re.MULTILINE)
    shown = subprocess.run(["make"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert re.findall(r"^  make (\S+)", shown, re.MULTILINE) == phony.split()


def test_every_setting_is_on_a_page():
    written = "".join(path.read_text("utf-8") for path in [*PAGES, ROOT / ".env.example"])
    settings = [variable_of(name, info) for name, info in Settings.model_fields.items()]
    assert [name for name in settings if name not in written] == []
