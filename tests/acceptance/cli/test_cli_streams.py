"""Whatever the three standard streams are: the work is done, its exit code holds, no traceback."""

from __future__ import annotations

import os
import shlex
import sqlite3
import subprocess

import pytest
from command import REELCAT

pytestmark = pytest.mark.slow

ENCODINGS = (
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "latin-1"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"LC_ALL": "xx_XX.nothing", "LANG": "C"},
)


def call(archive, line, **environment):
    """Call it through a shell, which can close and redirect streams."""
    done = subprocess.run(
        ["sh", "-c", line.replace("reelcat", shlex.quote(str(REELCAT)), 1)],
        cwd=archive.folder,
        env={**os.environ, "PREFECT_HOME": str(archive.folder / "no-prefect"), **environment},
        check=False,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )
    assert b"Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture
def catalog_url(sqlite_shelf):
    """One database: which one it is has no say in this."""
    url = sqlite_shelf.made()
    yield url
    sqlite_shelf.drop(url)


@pytest.fixture
def place(archive):
    """A folder whose catalog holds something."""
    return archive


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_what_a_stream_cannot_encode_is_spelled_out(place, encoding):
    path = os.environ["REELCAT_DATABASE_URL"].removeprefix("sqlite:///")
    with sqlite3.connect(path) as raw:
        raw.execute(
            "UPDATE locations SET name = 'Straße · 日本.mp4', uri = 'file:///日本.mp4'"
            " WHERE name = 'boat.mp4'"
        )
    for line in ("reelcat status", "reelcat show 日本"):
        assert call(place, line, **encoding).returncode == 0
    export = call(place, "reelcat export", **encoding)
    assert "日本" in export.stdout.decode()  # a file of ours is UTF-8 wherever it is written
    missing = call(place, "reelcat show Ünbekannt", **encoding)
    assert missing.returncode == 2
    assert missing.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    "streams",
    ["<&-", "<&- >&- 2>&-", "2>/dev/full"],
)
def test_a_stream_that_is_closed_or_full_changes_no_exit_code(place, streams):
    assert call(place, f"reelcat show nothing {streams}").returncode == 2
    ran = call(place, f"reelcat run . --provider offline {streams}", REELCAT_LOG_LEVEL="debug")
    assert ran.returncode == 0
    integrity = sqlite3.connect(os.environ["REELCAT_DATABASE_URL"].removeprefix("sqlite:///"))
    assert integrity.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    integrity.close()


def test_a_full_disk_behind_the_output_is_said_and_is_no_success(place):
    for command in ("status", "export", "search boat --json"):
        done = call(place, f"reelcat {command} >/dev/full")
        assert done.returncode == 2
        assert b"cannot be written" in done.stderr


def test_whoever_reads_enough_of_the_messages_stops_no_run(place):
    code = place.folder / "code"
    run = f"reelcat run . --provider offline; echo $? > {code}"
    call(place, f"{{ {run}; }} 2>&1 >/dev/null | head -c 1", REELCAT_LOG_LEVEL="debug")
    assert code.read_text() == "0\n"


@pytest.mark.parametrize("columns", ["0", "1", "²", "9" * 30])
def test_a_screen_of_no_possible_size_is_written_to_all_the_same(place, columns):
    for command in ("status", "run --help"):
        done = call(place, f"reelcat {command}", COLUMNS=columns, LINES=columns, TERM="dumb")
        assert done.returncode == 0
        assert len(done.stdout.splitlines()) < 300
