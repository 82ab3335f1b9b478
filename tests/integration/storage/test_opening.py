"""Opening a file that a stranger may have put something else in the place of."""

import contextlib
import os
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from catalog.values import Listing
from tasks.storage.errors import (
    FileChanged,
    FileForbidden,
    FileUnreadable,
    FileVanished,
    LinkNotFollowed,
    StoreError,
)
from tasks.storage.local import LocalReader, Walk
from tasks.storage.uris import file_uri, path_of

FILM, SECRET = b"a film", b"secret"


@pytest.fixture
def secret(tmp_path) -> Path:
    path = tmp_path / "home" / "films" / "film.mp4"
    path.parent.mkdir(parents=True)
    path.write_bytes(SECRET)
    return path


@pytest.fixture
def source(tmp_path, secret) -> Path:
    folder = tmp_path / "source"
    (folder / "films").mkdir(parents=True)
    (folder / "films" / "film.mp4").write_bytes(FILM)
    return folder


def read(source: Path, name: str = "films/film.mp4") -> bytes:
    uri = file_uri(source / name)
    with LocalReader().open(uri, size=len(FILM), root=file_uri(source)) as file:
        return file.read()


def test_a_file_is_opened_below_its_source(source):
    assert read(source) == FILM


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("films/film.mp4", "{secret}"),
        ("films/film.mp4", "../../home/films/film.mp4"),
        ("films", "{secret.parent}"),
        ("films", "../home/films"),
        ("films/film.mp4", "/proc/self/cwd/film.mp4"),
    ],
)
def test_a_link_that_leads_out_opens_nothing(source, secret, name, target):
    replace(source / name, target.format(secret=secret))
    with pytest.raises(LinkNotFollowed, match="--follow-links"):
        read(source)


def replace(path: Path, target: str | Path) -> None:
    path.rename(path.with_name("away"))
    path.symlink_to(target)


def test_a_link_that_stays_inside_leads_to_its_file(source):
    (source / "films" / "link.mp4").symlink_to("../films/film.mp4")
    (source / "folder").symlink_to(source / "films")
    (source / "both.mp4").symlink_to("folder/link.mp4")
    assert {read(source, name) for name in ("films/link.mp4", "folder/film.mp4", "both.mp4")} == {
        FILM
    }


def test_a_way_through_the_source_and_out_again_is_no_way_inside(source, secret):
    with pytest.raises(LinkNotFollowed):
        read(source, "films/../../home/films/film.mp4")


def test_a_hard_link_is_a_file(source):
    (source / "hard.mp4").hardlink_to(source / "films" / "film.mp4")
    assert read(source, "hard.mp4") == FILM


@pytest.mark.parametrize("name", ["pipe.mp4", "socket.mp4", "device.mp4", "folder.mp4"])
def test_what_is_no_file_is_not_opened(source, name, monkeypatch):
    monkeypatch.chdir(source)  # for the name of a socket is short
    os.mkfifo("pipe.mp4")
    Path("folder.mp4").mkdir()
    Path("device.mp4").symlink_to("device")
    if os.getuid() == 0:
        os.mknod("device", 0o600 | 0o020000, os.makedev(1, 3))
    else:
        Path("device").mkdir()
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind("socket.mp4")
        with pytest.raises(FileUnreadable, match="not a file"):
            read(source, name)


def test_a_folder_that_may_only_be_entered_is_enough(source):
    if os.getuid() == 0:
        pytest.skip("nothing is forbidden to root")
    (source / "films").chmod(0o100)
    try:
        assert read(source) == FILM
        source.chmod(0o000)
        with pytest.raises(FileForbidden):
            read(source)
    finally:
        source.chmod(0o700)
        (source / "films").chmod(0o700)


def test_what_is_gone_is_gone(source):
    with pytest.raises(FileVanished):
        read(source, "films/no.mp4")
    with pytest.raises(FileVanished):
        read(source, "films/film.mp4/film.mp4")


def test_a_file_that_was_written_to_is_not_what_was_opened(source):
    path = source / "films" / "film.mp4"
    status = path.stat()
    reader = LocalReader()
    with reader.open(file_uri(path), size=len(FILM), root=file_uri(source)) as file:
        file.require_unchanged()
        path.write_bytes(SECRET)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        with pytest.raises(FileChanged):
            file.require_unchanged()


EXCHANGE = """
import os, sys
source, secret = sys.argv[1:]
os.chdir(source)
while True:
    os.rename("films", "away")
    os.symlink(secret, "link")
    os.rename("link", "films")
    os.unlink("films")
    os.rename("away", "films")
"""

#: So often both are to be met, the folder and what stands in its place.
TIMES = 50


@pytest.fixture
def stranger(source, secret):
    """Somebody who exchanges a folder and a link to another one all the time."""
    command = [sys.executable, "-c", EXCHANGE, str(source), str(secret.parent)]
    with subprocess.Popen(command) as process:
        yield
        process.kill()


def test_however_fast_a_folder_and_a_link_change_places_nothing_outside_is_read(source, stranger):
    seen = Counter[object]()
    while seen[FILM] < TIMES or seen.total() - seen[FILM] < TIMES:
        try:
            seen[read(source)] += 1
        except StoreError as error:
            seen[type(error)] += 1
    assert seen[SECRET] == 0


def test_however_fast_a_folder_becomes_a_link_it_is_not_entered(source, secret, stranger):
    (secret.parent / "other.mp4").write_bytes(SECRET)
    seen = Counter[str]()
    while seen["films/film.mp4"] < TIMES or seen.total() - seen["films/film.mp4"] < TIMES:
        for found in Walk(file_uri(source)).files():
            seen[found.name if isinstance(found, Listing) else found.reason] += 1
    assert not any("other" in name for name in seen)


def test_a_folder_that_has_become_a_link_is_said_to_have(source, secret):
    walk = Walk(file_uri(source), folders=["films"])
    replace(source / "films", secret.parent)
    (problem,) = walk.files()
    assert path_of(problem.uri) == source / "films"
    assert "replaced by a link" in problem.reason
    assert not problem.leads_out
