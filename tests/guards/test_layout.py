"""The shape of the repository: names that are safe, nothing foreign."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from repository import PACKAGES, ROOT, files, name_of

#: Names for what has no name yet.
NAMELESS = {"utils", "helpers", "common", "misc", "util", "helper"}

TEXT = (".py", ".md", ".toml", ".yaml", ".example", "")


def python_files() -> list[str]:
    return [name_of(path) for path in files(".py")]


def test_no_file_is_named_for_having_no_name():
    assert [name for name in python_files() if name.rpartition("/")[2][:-3] in NAMELESS] == []


def test_no_file_of_the_flows_could_be_taken_for_another_module():
    # A flow that is loaded by its path becomes a module of its file's name.
    taken = {*sys.stdlib_module_names, *PACKAGES, *importlib.metadata.packages_distributions()}
    names = {path.stem for path in (ROOT / "flows").glob("*.py")} - {"__init__"}
    assert sorted(names & taken) == []


def test_no_other_distribution_has_packages_of_our_names():
    providers = importlib.metadata.packages_distributions()
    for package in PACKAGES:
        assert set(providers.get(package, ["reelcat"])) == {"reelcat"}


def test_nothing_in_the_environment_hides_our_packages():
    # Such a folder without an __init__ would be taken for the package where that is installed
    # editable.
    site = Path(sysconfig.get_path("purelib"))
    hiding = [site / name for name in PACKAGES if (site / name).exists()]
    assert [folder for folder in hiding if not (folder / "__init__.py").exists()] == []


def test_only_the_three_packages_can_be_imported_from_elsewhere(tmp_path):
    probe = (
        "import importlib.util as u;"
        "print([n for n in ('catalog','tasks','flows','migrations','tests','docs','benchmarks')"
        " if u.find_spec(n) and (u.find_spec(n).origin or '').startswith(%r)])"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", probe % str(ROOT)],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == str(list(PACKAGES))


def test_no_package_is_below_tests():
    assert [name_of(path) for path in (ROOT / "tests").rglob("__init__.py")] == []


def test_tests_have_names_of_their_own():
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(name for name in set(names) if names.count(name) > 1) == []


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("the folder of this clone", re.escape(f"{ROOT}/")),
        ("an issue or a pull request, which a clone does not have", r"(?i)\b(issue|pr) ?#?\d+\b"),
        ("something that is yet to be done", r"\b(TODO|FIXME|XXX)\b"),
    ],
)
def test_no_file_speaks_of(what, pattern):
    told = [
        f"{name_of(path)}: {line.strip()}"
        for path in files(*TEXT)
        if path.name not in {"test_layout.py", "uv.lock", "LICENSE"}
        for line in path.read_text("utf-8").splitlines()
        if re.search(pattern, line)
    ]
    assert told == []


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("an AWS key", r"\b(AKIA|ASIA)[A-Z0-9]{16}\b"),
        ("a private key", r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
        ("a key of the provider", r"\b(wsk|ws)_(live|prod)?_?[A-Za-z0-9]{24,}\b"),
        ("a token of a code host", r"\bgh[pousr]_[A-Za-z0-9]{30,}\b"),
    ],
)
def test_no_file_holds(what, pattern):
    told = [
        name_of(path)
        for path in files(*TEXT)
        if path.name not in {"test_layout.py", "uv.lock"}
        and re.search(pattern, path.read_text("utf-8"))
    ]
    assert told == []


def test_every_test_that_is_called_slow_exists():
    for line in (ROOT / "tests" / "slow.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            path, _, name = line.partition("::")
            assert f"def {name}(" in (ROOT / path).read_text("utf-8"), line
