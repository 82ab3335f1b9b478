"""`reelcat init`: files that can be used as they are written, and none that is written over."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from dotenv import dotenv_values
from repository import ROOT

from flows.settings import read_settings

NAMES = ("prefect.yaml", ".env.example", "reelcat.service", "reelcat.timer", "crontab")
ANALYZE = shutil.which("systemd-analyze")


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in folder.iterdir()}


def test_every_file_is_written_and_has_a_sentence(shell):
    ended = shell("init", "nights", "--source", "films", "--budget", "7.5")
    lines = ended.out.splitlines()
    assert (ended.code, ended.err) == (0, "")
    assert [line.partition(" ")[0] for line in lines] == [f"nights/{name}" for name in NAMES]
    assert all(line.endswith(".") for line in lines)
    assert set(texts(shell.folder / "nights")) == set(NAMES)
    assert (shell.folder / "nights").stat().st_mode & 0o777 == 0o700


def test_the_deployments_are_those_of_the_repository(shell):
    shell("init")
    assert texts(shell.folder)["prefect.yaml"] == (ROOT / "prefect.yaml").read_text("utf-8")


def test_what_is_to_be_replaced_is_named_where_no_source_was(shell):
    ended = shell("init")
    written = texts(shell.folder)
    assert ended.out.endswith("Replace /films in these files by what is to be cataloged.\n")
    for name in (".env.example", "reelcat.service", "crontab"):
        assert "/films" in written[name]


def test_what_is_there_is_left_alone_unless_told_otherwise(shell):
    shell("init", "--source", "films")
    before = texts(shell.folder)
    (shell.folder / "prefect.yaml").write_text("mine")
    (shell.folder / "crontab").unlink()
    (shell.folder / "crontab").symlink_to("elsewhere")
    ended = shell("init", "--source", "films")
    assert ended.code == 2
    assert ended.err == (
        "reelcat: crontab cannot be written: No such file or directory; name another folder.\n"
    )
    (shell.folder / "crontab").unlink()
    ended = shell("init", "--source", "films")
    kept = "prefect.yaml is there already and was left as it is; --overwrite writes it anew."
    assert (ended.code, ended.out.splitlines()[0]) == (0, kept)
    assert texts(shell.folder) == before | {"prefect.yaml": "mine"}
    assert shell("init", "--source", "films", "--overwrite").code == 0
    assert texts(shell.folder) == before


def test_a_link_is_replaced_and_what_it_leads_to_is_not(shell):
    (shell.folder / "letter").write_text("mine")
    (shell.folder / "crontab").symlink_to("letter")
    assert shell("init", "--overwrite").code == 0
    assert (shell.folder / "letter").read_text() == "mine"
    assert not (shell.folder / "crontab").is_symlink()


SIGNS = "50 % of 'a' \"b\" \\c $HOME ü"


@pytest.mark.parametrize("name", ["nights", SIGNS])
def test_cron_runs_the_line_where_it_belongs(shell, name, tmp_path):
    films = tmp_path / f"films {name}"
    films.mkdir()
    shell("init", name, "--source", str(films), "--source", "s3://films/2009/", "--budget", "3")
    (command,) = [
        line.split(maxsplit=5)[5]
        for line in texts(shell.folder / name)["crontab"].splitlines()
        if not line.startswith("#")
    ]
    # As cron does it: a bare % would end the command, \% is one.
    assert "%" not in command.replace("\\%", "")
    words = shlex.split(command.replace("\\%", "%"))
    assert words[:3] == ["cd", str(shell.folder / name), "&&"]
    assert words[4:9] == ["run", str(films), "s3://films/2009", "--budget", "3.00"]
    assert Path(words[3]).name == "reelcat"


@pytest.mark.parametrize("name", ["nights", SIGNS])
def test_deployments_find_the_sources_once_the_example_is_taken(shell, name, monkeypatch):
    sources = [str(shell.folder / name), "s3://films/2009/"]
    shell("init", "--source", sources[0], "--source", sources[1])
    (shell.folder / ".env.example").rename(shell.folder / ".env")
    assert json.loads(dotenv_values(shell.folder / ".env")["REELCAT_SOURCES"])
    assert read_settings().sources == (sources[0], "s3://films/2009")


@pytest.mark.skipif(ANALYZE is None, reason="needs systemd-analyze")
@pytest.mark.parametrize("name", ["nights", SIGNS])
def test_systemd_takes_the_units(shell, name):
    shell("init", name, "--source", str(shell.folder / name))
    units = [str(shell.folder / name / f"reelcat.{kind}") for kind in ("service", "timer")]
    done = subprocess.run(
        [ANALYZE, "verify", "--recursive-errors=no", *units],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_unit_quotes_what_systemd_would_read_otherwise(shell):
    shell("init", SIGNS, "--source", f"/{SIGNS}")
    unit = texts(shell.folder / SIGNS)["reelcat.service"]
    (command,) = [line for line in unit.splitlines() if line.startswith("ExecStart=")]
    quoted = "/50 %% of 'a' \\\"b\\\" \\\\c $$HOME ü"
    assert command.endswith(f'run "{quoted}" --budget 5.00')
    assert f"WorkingDirectory={shell.folder}/50 %% of 'a' \"b\" \\c $HOME ü\n" in unit


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["file/nights"], "file/nights cannot be made"),
        (["file"], "file cannot be made: File exists; name another folder"),
        (["a\nb"], "without line breaks and control characters"),
        (["--source", "gs://films"], "reelcat cannot list gs://"),
        (["--source", "https://films.example/a.mp4"], "a web address cannot be listed"),
        (["--budget", "much"], "--budget takes an amount in dollars"),
    ],
)
def test_what_cannot_be_written_is_one_sentence(shell, arguments, says):
    (shell.folder / "file").touch()
    ended = shell("init", *arguments)
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert says in ended.err
    assert list(shell.folder.iterdir()) == [shell.folder / "file"]
