import contextlib
import errno
import itertools
import os
import subprocess
import sys
import tempfile

import psutil
import pytest

from catalog.errors import SourceError
from catalog.values import Listing, ListingProblem
from tasks.storage import local, walking_beside
from tasks.storage.source import parse_source
from tasks.storage.stores import Stores
from tasks.storage.walking import Walk
from tasks.storage.walking_beside import walk_beside

FOLDERS = 40
FILES = 60


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Many folders, a link that leads nowhere in each, and names that are no text."""
    root = tmp_path_factory.mktemp("archive")
    for folder in range(FOLDERS):
        inside = root / f"{folder % 5}" / os.fsdecode(b"caf\xe9 %d" % folder)
        inside.mkdir(parents=True)
        for number in range(FILES):
            (inside / f"{number}.mp4").write_bytes(b"x" * number)
        (inside / "broken.mp4").symlink_to("gone.mp4")
    return root


def the_walking_one() -> psutil.Process:
    """Among whatever else this process has started, such as servers for other tests."""
    (process,) = (
        one for one in psutil.Process().children() if "walking_beside" in " ".join(one.cmdline())
    )
    return process


def test_a_process_beside_finds_what_a_walk_alone_finds(archive):
    alone = list(Walk(archive.as_uri()).on())
    beside = list(walk_beside(Walk(archive.as_uri())))

    assert len(alone) == FOLDERS * (FILES + 1)
    assert {type(one) for one in beside} == {Listing, ListingProblem}
    assert sorted(beside, key=lambda one: one.uri) == sorted(alone, key=lambda one: one.uri)


@pytest.mark.parametrize("met_alone", [0, 1, 3 * FILES, FOLDERS * FILES * 2])
def test_a_folder_is_listed_once_wherever_the_other_process_takes_over(
    archive, monkeypatch, met_alone
):
    monkeypatch.setattr(local, "_MET_ALONE", met_alone)

    listed = list(Stores().lister(parse_source(str(archive))).list())

    assert len({one.uri for one in listed}) == len(listed) == FOLDERS * (FILES + 1)


def test_few_files_start_no_process(archive, monkeypatch):
    def refuse(_walk):
        raise AssertionError("nothing of this size needs another process")

    monkeypatch.setattr(local, "walk_beside", refuse)

    assert len(list(Stores().lister(parse_source(str(archive))).list())) == FOLDERS * (FILES + 1)


def test_whoever_stops_listening_ends_the_process(archive, monkeypatch):
    monkeypatch.setattr(walking_beside, "_PIPE_BYTES", 4_096)
    walking = walk_beside(Walk(archive.as_uri()))
    next(walking)
    process = the_walking_one()

    walking.close()

    assert not process.is_running()


def test_a_process_that_is_killed_is_an_error_that_says_what_to_do(archive, monkeypatch):
    monkeypatch.setattr(walking_beside, "_PIPE_BYTES", 4_096)
    walking = walk_beside(Walk(archive.as_uri()))
    met = list(itertools.islice(walking, 10))
    the_walking_one().kill()

    with pytest.raises(SourceError, match="the process that listed it was killed; run it again"):
        met.extend(walking)

    assert 10 <= len(met) < FOLDERS * (FILES + 1)


def test_where_no_process_can_be_started_the_walk_goes_on_alone(archive, monkeypatch):
    # A limit on processes does not bind root, so the system cannot be made to say no here.
    def refuse(*_arguments, **_options):
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(subprocess, "Popen", refuse)

    assert len(list(walk_beside(Walk(archive.as_uri())))) == FOLDERS * (FILES + 1)


def listening(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program that walks, as a process of its own; what it started may outlive it."""
    with tempfile.TemporaryFile("w+") as complaints:
        done = subprocess.run(
            [sys.executable, "-c", f"{LISTENING}{program}"],
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            check=False,
            timeout=60,
            env=os.environ | environment,
        )
        complaints.seek(0)
        done.stderr = complaints.read()
    return done


LISTENING = """
import os, psutil, sys
from tasks.storage.walking import Walk
from tasks.storage.walking_beside import walk_beside
"""


@pytest.mark.parametrize("more", ["films", "empty"])
def test_a_process_whose_listener_dies_ends_by_itself(tmp_path, more):
    # It finds a page of films, and then walks on for half a minute.
    (tmp_path / "empty").mkdir()
    (tmp_path / "films").mkdir()
    for number in range(600):
        (tmp_path / "films" / f"{number}.mp4").touch()
    done = listening(f"""
walking = walk_beside(Walk({tmp_path.as_uri()!r}, [{more!r}] * 3_000_000 + ["films"]))
next(walking)
(process,) = psutil.Process().children()
print(process.pid, flush=True)
os.kill(os.getpid(), 9)
""")
    assert (done.returncode, done.stderr) == (-9, "")
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(int(done.stdout)).wait(timeout=5)


def test_modules_of_the_current_folder_are_not_imported(archive, tmp_path, monkeypatch):
    for name in ("pickle", "struct", "tasks"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from the archive')")
    monkeypatch.chdir(tmp_path)
    assert len(list(walk_beside(Walk(archive.as_uri())))) == FOLDERS * (FILES + 1)


def test_what_the_machines_python_prints_is_no_listing(archive, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("print('cos\\nfoo\\n')")
    done = listening(
        f"print(len(list(walk_beside(Walk({archive.as_uri()!r})))))", PYTHONPATH=str(tmp_path)
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split()[-1] == str(FOLDERS * (FILES + 1))
