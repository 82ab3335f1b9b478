"""The file that `reelcat export -o` writes: whole, private, and never another one."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def catalog_file(archive):
    """Where the catalog lies."""
    del archive
    url = make_url(os.environ["REELCAT_DATABASE_URL"])
    if url.get_backend_name() != "sqlite":
        pytest.skip("PostgreSQL has no file that could be named")
    return Path(url.database)


@pytest.fixture(autouse=True)
def generous_umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.parametrize(
    ("asked", "mode"), [((), 0o600), (("--mode", "umask"), 0o644), (("--mode", "640"), 0o640)]
)
def test_an_export_is_private_unless_it_was_asked_for(archive, tmp_path, asked, mode):
    target = tmp_path / "films.jsonl"
    for _ in "new", "replaced":
        assert archive("export", "-o", str(target), *asked).code == 0
        assert mode_of(target) == mode
        assert target.read_text().count("\n") == 2
        target.chmod(0o666)
    assert [path.name for path in tmp_path.iterdir()] == ["films.jsonl"]


def test_a_mode_that_is_none_costs_nothing(archive, tmp_path):
    for asked in "rw", "0o600", "6400", "999", "":
        ended = archive("export", "-o", str(tmp_path / "films"), "--mode", asked)
        assert (ended.code, ended.err.count("\n")) == (2, 1), asked
    assert not [*tmp_path.iterdir()]


def test_a_file_is_replaced_and_not_written_over(archive, tmp_path):
    target, other = tmp_path / "films.jsonl", tmp_path / "other"
    other.write_text("kept")
    os.link(other, target)
    assert archive("export", "-o", str(target)).code == 0
    assert other.read_text() == "kept"
    assert target.read_text().count("\n") == 2


def test_links_and_folders_are_refused_and_stay(archive, tmp_path):
    secret, folder = tmp_path / "secret", tmp_path / "folder"
    secret.write_text("kept")
    folder.mkdir()
    links = {"link": secret, "dangling": tmp_path / "new", "null": "/dev/null", "in": folder}
    for name, goal in links.items():
        (tmp_path / name).symlink_to(goal)
    before = sorted(tmp_path.iterdir())
    for name in *links, "folder", "folder/", ".":
        ended = archive("export", "-o", str(tmp_path / name))
        assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1), name
    assert sorted(tmp_path.iterdir()) == before
    assert secret.read_text() == "kept"


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
def test_the_catalog_is_refused_under_any_spelling(archive, catalog_file, tmp_path, suffix):
    own = catalog_file.with_name(catalog_file.name + suffix)
    before = catalog_file.read_bytes()
    (tmp_path / "way").symlink_to(own.parent)
    spellings = [own, own.parent / "." / own.name, tmp_path / "way" / own.name]
    spellings += [os.path.relpath(own, archive.folder)]
    if own.exists():
        os.link(own, tmp_path / "hard")
        spellings += [tmp_path / "hard"]
    for spelling in spellings:
        ended = archive("export", "-o", str(spelling))
        assert (ended.code, ended.err.count("\n")) == (2, 1), spelling
        assert "catalog" in ended.err
    assert catalog_file.read_bytes() == before
    assert not [path for path in own.parent.iterdir() if path.name.startswith(".reelcat-export")]


def test_pipes_devices_and_stdout_are_written_as_they_are(archive, start, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    assert archive("export", "-o", str(pipe)).code == 0
    reader.join()
    assert read[0].count("\n") == 2
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert archive("export", "-o", "/dev/null").code == 0
    assert Path("/dev/null").is_char_device()
    assert archive("export", "-o", "-").out == read[0]
    assert start("export", "-o", "/dev/fd/1").communicate() == (read[0], "")
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_stdout_that_is_the_catalog_is_refused(archive, catalog_file):
    before = catalog_file.read_bytes()
    call = [sys.executable, "-c", "from flows.cli import main; main()"]
    with catalog_file.open("ab") as out:
        ended = subprocess.run(
            [*call, "export", "-o", "/dev/stdout"],
            cwd=archive.folder,
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (ended.returncode, "catalog" in ended.stderr) == (2, True)
    assert catalog_file.read_bytes() == before


def test_what_cannot_be_written_leaves_what_was_there(archive, tmp_path):
    for name in "--format", "--format=csv":
        assert archive("export", "-o", name).code == 2
    for name in "missing/films.jsonl", "x" * 300, "", "\udcff/a":
        ended = archive("export", "-o", str(tmp_path / name) if name else "")
        assert (ended.code, ended.err.count("\n")) == (2, 1), name
    assert not [*tmp_path.iterdir()]


def test_a_long_name_is_written(archive, tmp_path):
    target = tmp_path / ("x" * 255)
    assert archive("export", "-o", str(target)).code == 0
    assert target.read_text().count("\n") == 2
