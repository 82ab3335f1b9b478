"""What a person can mend is one sentence on stderr, with the exit code that scripts expect."""

from __future__ import annotations

import os
import shlex
import subprocess
from contextlib import closing

import pytest
from command import REELCAT
from sqlalchemy import text

from catalog.database import connect

LETTER = "x" * 2000


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "nowhere"], "no such folder or file"),
        (["run"], "Name at least one source"),
        (["run", ".", "--budget", "lots"], "--budget takes an amount in dollars"),
        (["run", ".", "--task", "sumary"], '"summary"'),
        (["run", ".", "--provider", "wavespeed"], "set WAVESPEED_API_KEY"),
        (["plan", ".", "--nightly", "0.01"], "--nightly takes at least $0.12"),
        (["plan", ".", "--limit", "0"], "--limit"),
        (["plan", ".", "--instructions", "@"], "name a file after it, as in @boats.txt"),
        (["plan", ".", "--instructions", "@gone.txt"], "gone.txt cannot be read: No such file"),
        (["plan", ".", "--instructions", "@."], ". cannot be read: Is a directory"),
        (["plan", ".", "--instructions", "@file"], "file is empty"),
        (["serch", "boat"], 'Did you mean "search"?'),
        (["search", "--limt", "boat"], "There is no option --limt"),
        (["search", "-boat"], "give at least one"),
        (["status"], "There is no catalog at sqlite:///reelcat.db yet"),
        (["db", "current"], "There is no catalog at"),
        (["sandbox", "--fault", "gremlins"], "with a name that `reelcat sandbox --faults` lists."),
        (["sandbox", "--port", "70000"], "--port"),
        (["demo", "--folder", "file/demo"], "name another one with --folder"),
    ],
)
def test_a_mistake_is_one_sentence_that_says_what_to_do(shell, arguments, says):
    (shell.folder / "file").touch()
    ended = shell(*arguments)
    assert says in ended.err
    assert ended.err.count("\n") == 1
    assert ended.err.startswith("reelcat: ")
    assert ended.out == ""
    assert ended.code == 2


def test_a_process_ends_with_the_sentence_and_the_code(start):
    process = start("run", "nowhere")
    out, err = process.communicate()
    assert (process.returncode, out) == (2, "")
    assert err.startswith("reelcat: ")
    assert err.count("\n") == 1


def test_a_file_that_is_no_catalog_is_left_alone(shell, monkeypatch):
    path = shell.folder / "letter.db"
    path.write_text(LETTER)
    monkeypatch.setenv("REELCAT_DATABASE_URL", f"sqlite:///{path}")
    ended = shell("status")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "is not a reelcat catalog" in ended.err
    assert path.read_text() == LETTER


def test_a_catalog_of_a_newer_reelcat_is_left_alone(archive):
    with (
        closing(connect(os.environ["REELCAT_DATABASE_URL"])) as catalog,
        catalog.engine.begin() as connection,
    ):
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for command in ("status", "export"):
        ended = archive(command)
        assert (ended.code, ended.err.count("\n")) == (2, 1)
        assert "upgrade reelcat" in ended.err


def test_a_setting_that_makes_no_sense_is_named(shell, monkeypatch):
    monkeypatch.setenv("REELCAT_TIMEZONE", "Mars/Olympus")
    ended = shell("status")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "REELCAT_TIMEZONE" in ended.err
    ended = shell("doctor")
    assert ended.code == 1
    assert "problem" in ended.out


def test_a_catalog_that_cannot_be_opened_is_named_by_those_who_only_look(shell, monkeypatch):
    monkeypatch.setenv("REELCAT_DATABASE_URL", "sqlite:///" + "/".join(["a" * 100] * 6))
    place = shell.folder
    for _ in range(5):
        place /= "a" * 100
    place.mkdir(parents=True)
    (place / ("a" * 100)).touch()  # deeper than SQLite goes
    for command in (["status"], ["search", "boat"]):
        ended = shell(*command)
        assert (ended.code, ended.err.count("\n")) == (2, 1)
        assert "cannot be opened; see its permissions" in ended.err


def test_streams_that_the_caller_closed_are_written_to_by_nobody(archive):
    for arguments, code in ((["status"], 0), (["export"], 0), (["show", "nothing"], 2)):
        call = shlex.join([str(REELCAT), *arguments])
        done = subprocess.run(
            ["sh", "-c", f"{call} >&- 2>&-"], cwd=archive.folder, check=False, capture_output=True
        )
        assert (done.returncode, done.stdout, done.stderr) == (code, b"", b"")


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [("AWS_PROFILE", "nobody", "check AWS_PROFILE"), ("AWS_CONFIG_FILE", "broken", "AWS")],
)
def test_a_checkup_names_settings_of_buckets_that_make_no_sense(
    shell, monkeypatch, variable, value, says
):
    (shell.folder / "broken").write_text("[profile\nx")
    monkeypatch.setenv(variable, value)
    ended = shell("doctor")
    assert (ended.code, ended.err) == (1, "")
    assert any(says in line for line in ended.out.splitlines() if line.startswith("problem"))


def test_a_prefect_server_that_is_none_is_named_without_its_password(shell, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "http://me:s3cret@127.0.0.1:1/api")
    monkeypatch.setenv("PREFECT_CLIENT_MAX_RETRIES", "0")
    with subprocess.Popen(
        [str(REELCAT), "run", ".", "--provider", "offline"],
        cwd=shell.folder,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        _, err = process.communicate()
    assert process.returncode == 2
    assert "127.0.0.1:1/api/ does not answer" in err
    assert "s3cret" not in err
