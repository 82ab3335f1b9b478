"""What a person can mend: one sentence on stderr, an exit code for scripts, and nothing spent."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from command import Ended, sandbox_of

#: Bytes; an empty catalog has about a quarter less.
SMALL = 400_000

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("s3-runs")]


def assert_one_sentence(ended: Ended, says: str, *, code: int = 2) -> None:
    assert says in ended.err
    assert ended.err.startswith("reelcat: ")
    assert ended.err.count("\n") == 1
    assert ended.err.endswith(".\n")
    assert ended.out == ""
    assert ended.code == code


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "nowhere"], "there is no such folder or file"),
        (["run", "films", "--budget", "-1"], "--budget takes an amount from 0 dollars upwards"),
        (["run", "films", "--budget", "abc"], "--budget takes an amount in dollars"),
        (["run", "films", "--task", "poetry"], "--task"),
        (["run", "films", "--provider", "wavespeed"], "set WAVESPEED_API_KEY"),
        (["status"], "There is no catalog at sqlite:///reelcat.db yet"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_as_asked_is_refused_before_anything(shell, archive, arguments, says):
    assert_one_sentence(shell(*arguments), says)


def test_a_paid_run_without_any_limit_is_refused(shell, archive):
    archive.put("harbour.mp4")
    with sandbox_of(shell) as sandbox:
        paying = shell.having(**sandbox.environment())
        assert_one_sentence(paying("run", "films"), "A paid run needs a limit")
        assert sandbox.audit()["requests"] == {}


def test_a_wrong_key_is_refused_by_the_account_before_anything_is_uploaded(shell, archive):
    archive.put("harbour.mp4")
    with sandbox_of(shell) as sandbox:
        stranger = shell.having(**sandbox.environment() | {"WAVESPEED_API_KEY": "wsk_mistyped"})
        ended = stranger("run", "films", "--budget", "1")
        audit = sandbox.audit()

    assert ended.code == 3
    assert "WAVESPEED_API_KEY" in ended.err
    assert ended.err.count("\n") == 1
    assert "wsk_mistyped" not in ended.out + ended.err
    assert audit["accepted"] == 0
    assert not {"put", "submit"} & set(audit["requests"])


def test_an_account_without_credit_stops_the_run(shell, archive):
    archive.put("harbour.mp4")
    with sandbox_of(shell, "--balance", "0") as sandbox:
        paying = shell.having(**sandbox.environment())
        ended = paying("run", "films", "--budget", "1")
        assert sandbox.audit()["accepted"] == 0

    assert_one_sentence(ended, "The account holds $0.00", code=3)


@pytest.mark.parametrize(
    ("bucket", "secret", "says"),
    [
        ("no-such-bucket", "testing", "no such bucket"),
        ("films", "mistyped", "check aws_secret_access_key"),
    ],
)
def test_a_bucket_that_cannot_be_listed_is_one_sentence(shell, s3_server, bucket, secret, says):
    environment = s3_server.environment() | {"AWS_SECRET_ACCESS_KEY": secret}
    ended = shell.having(**environment)("run", f"s3://{bucket}/2009")

    assert_one_sentence(ended, f"s3://{bucket}/2009")
    assert says in ended.err.lower()
    assert secret not in ended.err


def test_a_newer_catalog_and_a_file_that_is_none_are_left_as_they_are(shell, archive):
    archive.put("harbour.mp4")
    shell("run", "films")
    catalog = shell.folder / "reelcat.db"
    with closing(sqlite3.connect(catalog)) as connection, connection:
        connection.execute("update alembic_version set version_num = '9999'")
    assert_one_sentence(shell("run", "films"), "written by a newer reelcat")

    letter = shell.folder / "letter.txt"
    letter.write_text("Dear archivist, " * 99)
    other = shell.having(REELCAT_DATABASE_URL=f"sqlite:///{letter}")
    assert_one_sentence(other("run", "films"), "is not a reelcat catalog")
    assert letter.read_text() == "Dear archivist, " * 99

    with closing(sqlite3.connect(shell.folder / "other.db")) as connection, connection:
        connection.execute("create table invoices (number integer)")
    other = shell.having(REELCAT_DATABASE_URL="sqlite:///other.db")
    assert_one_sentence(other("run", "films"), "is not a reelcat catalog")


@pytest.mark.parametrize("there_is_a_catalog", [True, False])
def test_a_read_only_disk_is_one_sentence(shell, archive, there_is_a_catalog):
    archive.put("harbour.mp4")
    if there_is_a_catalog:
        shell("run", "films")
    with read_only(shell.folder, holding=[*shell.folder.glob("reelcat.db")]) as folder:
        there = shell.having(REELCAT_DATABASE_URL=f"sqlite:///{folder}/reelcat.db")
        ended = there("run", "films")

    assert_one_sentence(ended, "whether its disk is writable")


def test_a_full_disk_is_one_sentence_and_the_next_run_goes_on(shell, archive):
    for number in range(40):
        archive.put(f"film-{number:03}.mp4", b"no film at all, number %d" % number)
    with small_disk(shell.folder) as (folder, limit):
        there = shell.having(REELCAT_DATABASE_URL=f"sqlite:///{folder}/reelcat.db")
        ended = there("run", "films", preexec_fn=limit)
        assert_one_sentence(ended, "The disk that holds sqlite:///")
        if limit is None:
            assert mount("-o", "remount,size=64m", str(folder))
        again = there("run", "films", "--json")

    assert again.code == 1
    assert again.report["videos"]["found"] == again.report["videos"]["unreadable"] == 40


@contextlib.contextmanager
def read_only(folder: Path, holding: Sequence[Path]) -> Iterator[Path]:
    """A folder that nobody may write to; for the administrator, on a disk of its own."""
    with disk(folder) as (place, mounted):
        for path in holding:
            shutil.copy(path, place)
        if mounted:
            assert mount("-o", "remount,ro", str(place))
        elif os.geteuid() == 0:
            pytest.skip("the administrator may write everywhere, and may not mount a disk here")
        else:
            place.chmod(0o555)
        yield place


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[tuple[Path, Callable[[], None] | None]]:
    """A disk with room for little more than an empty catalog, or a limit that acts like one."""
    with disk(folder, "-o", f"size={SMALL}") as (place, mounted):
        yield place, None if mounted else limit_files


def limit_files() -> None:
    """Let no file of this process grow any larger."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL, SMALL))


@contextlib.contextmanager
def disk(folder: Path, *options: str) -> Iterator[tuple[Path, bool]]:
    """A folder, and whether it is a disk of its own, which takes an administrator."""
    place = folder / "shelf"
    place.mkdir()
    mounted = os.geteuid() == 0 and mount(
        "-t", "tmpfs", "-o", "mode=700", *options, "none", str(place)
    )
    try:
        yield place, mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(place)], check=True)


def mount(*arguments: str) -> bool:
    """Tell whether it could be mounted."""
    done = subprocess.run(["mount", *arguments], check=False, capture_output=True)
    return done.returncode == 0
