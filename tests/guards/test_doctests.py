"""The examples in docstrings are true."""

from __future__ import annotations

import doctest
import importlib

import pytest
from repository import PACKAGES, ROOT, files, name_of

_PROMPT = ">>> "


def modules_with_examples() -> list[str]:
    """Modules by name, so that each test says which it is."""
    return [
        name_of(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for path in files(".py")
        if (
            path.relative_to(ROOT).parts[0] in PACKAGES
            or name_of(path) == "tests/support/transcripts.py"
        )
        and _PROMPT in path.read_text("utf-8")
    ]


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_are_true(name):
    result = doctest.testmod(importlib.import_module(name.removeprefix("tests.")))
    assert result.attempted > 0
    assert result.failed == 0
