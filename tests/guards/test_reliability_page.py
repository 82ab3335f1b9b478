"""The page about promises names tests that exist, for every promise."""

from __future__ import annotations

import ast
import re

from repository import ROOT

PAGE = (ROOT / "docs" / "reliability.md").read_text("utf-8")
TRUST = (ROOT / "docs" / "trust.md").read_text("utf-8")
PROMISES = [f"G{number}" for number in range(1, 9)]


def functions_of_the_suite() -> set[str]:
    return {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_every_test_that_the_page_names_exists():
    named = set(re.findall(r"`(test_[a-z0-9_]+)`", PAGE))
    assert named - functions_of_the_suite() == set()


def test_every_test_that_the_page_about_trust_names_exists():
    named = set(re.findall(r"`(test_[a-z0-9_]+)`", TRUST))
    assert named - functions_of_the_suite() == set()


def test_everybody_who_is_trusted_with_something_has_a_test():
    table = TRUST.partition("## Everybody")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| **")]
    untried = [row.split("**")[1] for row in rows if "`test_" not in row]
    assert untried == ["root", "files of the user's own"]  # who can do everything, and libraries


def test_every_promise_names_a_mechanism_and_at_least_two_tests():
    rows = [line.strip("|").split("|") for line in PAGE.splitlines() if re.match(r"\| G\d", line)]
    assert [row[0].strip() for row in rows] == PROMISES
    for _, promise, mechanism, tests in rows:
        assert promise.strip()
        assert mechanism.strip()
        assert len(re.findall(r"`test_", tests)) >= 2
