"""Help teaches: what a command does in a sentence, an example, and what its options take."""

from __future__ import annotations

import pytest

from flows.cli.app import COMMANDS, execute

ALL = [*((name,) for name in COMMANDS), ("db", "current"), ("db", "upgrade")]


def help_of(capsys, *arguments):
    assert execute([*arguments, "--help"]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("command", ALL, ids=" ".join)
def test_every_command_says_what_it_does_and_shows_an_example_of_itself(capsys, command):
    shown = help_of(capsys, *command)
    sentence = next(line for line in shown.splitlines()[1:] if line.strip())
    assert sentence[0].isupper()
    example = shown.partition("Example:")[2]
    assert f"reelcat {' '.join(command)}" in example


def test_the_first_page_names_every_command_with_its_sentence(capsys):
    shown = help_of(capsys)
    for name in COMMANDS:
        assert f" {name} " in shown
    assert "Spends money" in shown
    assert "reelcat demo" in shown


def test_the_options_of_a_run_show_what_they_take_and_what_they_are(capsys):
    shown = " ".join(help_of(capsys, "run").replace("│", " ").split())
    assert "general, summary, analysis, counting, scene_description" in shown
    assert "[default: newest]" in shown
    assert "--retry-failed" in shown
    assert shown.count("--no-") == shown.count("--no-prefect") == 1


def test_plan_takes_whatever_run_takes(capsys):
    options = {
        name: {
            word.strip("│ ")
            for word in help_of(capsys, name).split()
            if word.startswith("--") and word.strip("-").replace("-", "").isalpha()
        }
        for name in ("run", "plan")
    }
    assert options["run"] - options["plan"] == {"--yes", "--prefect", "--no-prefect"}
    assert "--nightly" in options["plan"]


def test_the_version_is_told(capsys):
    assert execute(["--version"]) == 0
    assert capsys.readouterr().out.startswith("reelcat ")
