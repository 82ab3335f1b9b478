"""docs/dependencies.md and pyproject.toml name the same packages."""

from __future__ import annotations

import re
import tomllib

from packaging.requirements import Requirement
from repository import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PAGE = (ROOT / "docs" / "dependencies.md").read_text("utf-8")


def declared(requirements) -> set[str]:
    return {Requirement(one).name for one in requirements}


def test_each_dependency_says_how_it_earns_its_place_and_nothing_else_is_there():
    runtime, _, rest = PAGE.partition("\nOptional:\n")
    optional, _, development = rest.partition("\nFor development:\n")
    sections = {
        "runtime": (runtime, PROJECT["project"]["dependencies"]),
        "optional": (
            optional,
            [
                one
                for extra in PROJECT["project"]["optional-dependencies"].values()
                for one in extra
            ],
        ),
        "development": (development, PROJECT["dependency-groups"]["dev"]),
    }
    for name, (section, requirements) in sections.items():
        rows = set(re.findall(r"^\| ([a-z][a-z0-9-]*) \| .+ \|$", section, re.MULTILINE))
        rows.discard("package")
        missing = declared(requirements) - rows
        if name == "development":  # what an extra has explained already
            missing -= declared(sections["optional"][1])
        assert not missing, f"{name}: not explained"
        assert not rows - declared(requirements), f"{name}: not used"
