import errno
import itertools
import multiprocessing
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from catalog.errors import SourceError
from catalog.values import Listing, ListingProblem
from tasks.storage.errors import FileUnreadable, StoreError
from tasks.storage.local import Walk
from tasks.storage.registry import Stores
from tasks.storage.source import parse_source
from tasks.storage.store import StoreOptions
from tasks.storage.uris import file_uri, path_of


def touch(path: Path, data: bytes = b"film") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def listed(folder) -> list[Listing | ListingProblem]:
    return list(Stores().lister(parse_source(os.fspath(folder))).list())


def names(folder) -> list[str]:
    found = listed(folder)
    assert all(isinstance(each, Listing) for each in found), found
    return sorted(each.name for each in found)


def test_a_listing_says_where_how_large_and_how_old(tmp_path):
    path = touch(tmp_path / "2009" / "a b.mp4", b"12345")
    os.utime(path, ns=(1, 1_234_567_890_123_456_789))
    assert listed(tmp_path) == [
        Listing(uri=path.as_uri(), name="2009/a b.mp4", size=5, mtime_ns=1_234_567_890_123_456_789)
    ]


def test_only_visible_files_with_video_suffixes_are_listed(tmp_path):
    for name in ("a.mp4", "x/B.MTS", "x/y/c.mkv", "x/empty.mov"):
        touch(tmp_path / name)
    for name in (".h.mp4", "._a.mp4", "a.mp4.part", "b.crdownload", "c.jpg", ".git/d.mp4", "e"):
        touch(tmp_path / name)
    touch(tmp_path / "@eaDir" / "a.mp4")
    (tmp_path / "folder.mp4").mkdir()
    touch(tmp_path / "folder.mp4" / "in.mp4")
    assert names(tmp_path) == ["a.mp4", "folder.mp4/in.mp4", "x/B.MTS", "x/empty.mov", "x/y/c.mkv"]


def test_folders_come_in_the_order_of_their_addresses(tmp_path):
    # What is compared at once then lies together in the catalog.
    for name in ("b", "a/z", "a/b", "a-c", "c d", "\u00e9", "B", "a/z/q", "10", "9"):
        touch(tmp_path / name / "film.mp4")
    met = [each.uri for each in listed(tmp_path)]
    assert len(met) == 10
    deepest_last = sorted(met, key=lambda uri: uri.removesuffix("film.mp4"))
    assert met == deepest_last


def test_a_source_that_is_itself_hidden_is_listed(tmp_path):
    touch(tmp_path / ".videos" / "a.mp4")
    assert names(tmp_path / ".videos") == ["a.mp4"]


def test_names_that_are_no_text_lead_back_to_their_files(tmp_path):
    odd = ["new\nline.mp4", "tab\t.mp4", "-rf.mp4", "a:b?#%41+.mp4", "e\u0301.mp4", "\u00e9.mp4"]
    paths = [touch(tmp_path / name, name.encode()) for name in odd]
    paths.append(touch(tmp_path / os.fsdecode(b"caf\xe9\xff.mp4"), b"raw"))
    found = listed(tmp_path)
    assert {path_of(each.uri) for each in found} == set(paths)
    for each in found:
        assert each.uri == path_of(each.uri).as_uri()
        assert each.name.encode()  # can be stored
        with Stores().reader(each.uri).open(each.uri, size=each.size) as file:
            assert file.read() == path_of(each.uri).read_bytes()


@pytest.fixture
def linked(tmp_path):
    """An archive with links that stay in it and links that lead out."""
    elsewhere = touch(tmp_path / "elsewhere" / "real.mp4", b"1234567")
    touch(elsewhere.parent / "deeper" / "too.mp4")
    (elsewhere.parent / "deeper" / "round").symlink_to(elsewhere.parent)
    archive = tmp_path / "archive"
    touch(archive / ".annex" / "0a1b", b"12345")
    (archive / "2009").mkdir()
    (archive / "2009" / "inside.mp4").symlink_to("../.annex/0a1b")
    (archive / "absolute.mp4").symlink_to(archive / ".annex" / "0a1b")
    (archive / "link.mp4").symlink_to(elsewhere)
    (archive / "hop.mp4").symlink_to("link.mp4")
    (archive / "loop").symlink_to(archive)
    (archive / "others.mp4").symlink_to(elsewhere.parent)
    (archive / "again").symlink_to(elsewhere.parent / "deeper")
    (archive / "up").symlink_to("..")
    (archive / "notes.txt").symlink_to("/etc/hostname")
    (archive / "zeros.mp4").symlink_to("/dev/zero")
    (archive / ".hidden").symlink_to("..")
    return archive


def test_a_link_is_followed_as_far_as_it_stays_in_the_source(linked):
    found = listed(linked)
    files = {each.name: each.size for each in found if isinstance(each, Listing)}
    assert files == {"2009/inside.mp4": 5, "absolute.mp4": 5}
    left_out = {path_of(each.uri).name for each in found if isinstance(each, ListingProblem)}
    assert left_out == {"link.mp4", "hop.mp4", "others.mp4", "again", "up"}
    assert all(each.leads_out for each in found if isinstance(each, ListingProblem))


def test_links_that_lead_out_are_followed_once_each_when_that_was_asked_for(linked):
    (linked / "up").unlink()
    stores = Stores(StoreOptions(follow_links=True))
    found = list(stores.lister(parse_source(str(linked))).list())
    assert {type(each) for each in found} == {Listing}
    names = [each.name for each in found]
    assert len(names) == len(set(names))
    assert {"link.mp4", "hop.mp4", "others.mp4/real.mp4", "again/too.mp4"} <= set(names)
    assert len(names) < 12
    for each in found:
        reader = stores.reader(each.uri)
        with reader.open(each.uri, size=each.size, root=file_uri(linked)) as file:
            assert file.read() == path_of(each.uri).read_bytes()


def test_a_source_may_be_a_link_itself(linked, tmp_path):
    (tmp_path / "films").symlink_to("archive")
    found = [each for each in listed(tmp_path / "films") if isinstance(each, Listing)]
    assert {each.name for each in found} == {"2009/inside.mp4", "absolute.mp4"}
    root = file_uri(tmp_path / "films")
    for each in found:
        with Stores().reader(each.uri).open(each.uri, size=5, root=root) as file:
            assert file.read() == b"12345"


def test_a_link_that_leads_nowhere_is_a_problem_and_the_rest_is_listed(tmp_path):
    touch(tmp_path / "a.mp4")
    (tmp_path / "broken.mp4").symlink_to("gone.mp4")
    (tmp_path / "self.mp4").symlink_to("self.mp4")
    problems = [each for each in listed(tmp_path) if isinstance(each, ListingProblem)]
    assert {path_of(each.uri).name for each in problems} == {"broken.mp4", "self.mp4"}
    assert "points to nothing" in next(e.reason for e in problems if "broken" in e.uri)


def test_pipes_and_sockets_are_not_films(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    assert listed(tmp_path) == []
    uri = file_uri(tmp_path / "pipe.mp4")
    with pytest.raises(FileUnreadable, match="not a file"):
        Stores().reader(uri).open(uri, size=0)


@pytest.fixture
def public_folder():
    """A folder that any user may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def as_an_ordinary_user(function, *arguments):
    """Run a function in a child that is not root, for whom permissions mean something."""
    drop, to = (os.setuid, (65_534,)) if os.getuid() == 0 else (None, ())
    with multiprocessing.get_context("fork").Pool(1, initializer=drop, initargs=to) as pool:
        return pool.apply(function, arguments)


def test_a_folder_that_may_not_be_read_is_a_problem_and_the_rest_is_listed(public_folder):
    touch(public_folder / "a.mp4")
    touch(public_folder / "locked" / "b.mp4")
    touch(public_folder / "open" / "c.mp4")
    (public_folder / "locked").chmod(0)
    found = as_an_ordinary_user(listed, public_folder)
    (public_folder / "locked").chmod(0o755)
    assert sorted(each.name for each in found if isinstance(each, Listing)) == [
        "a.mp4",
        "open/c.mp4",
    ]
    (problem,) = [each for each in found if isinstance(each, ListingProblem)]
    assert problem.uri == file_uri(public_folder / "locked")
    assert problem.reason == "permission denied; let the user who runs reelcat read it"


def test_a_source_that_may_not_be_read_is_an_error_that_says_what_to_do(public_folder):
    locked = public_folder / "locked"
    locked.mkdir(mode=0)
    with pytest.raises(SourceError, match="permission denied; let the user"):
        as_an_ordinary_user(listed, locked)


def test_a_file_that_may_not_be_read_is_one_bad_file(public_folder):
    path = touch(public_folder / "a.mp4")
    path.chmod(0)
    with pytest.raises(PermissionError):
        as_an_ordinary_user(path.read_bytes)
    kind = as_an_ordinary_user(_error_on_opening, file_uri(path))
    assert kind == (
        "FileForbidden",
        f"{path}: permission denied; let the user who runs reelcat read it",
    )


def _error_on_opening(uri: str) -> tuple[str, str]:
    try:
        Stores().reader(uri).open(uri, size=4)
    except StoreError as error:
        return type(error).__name__, str(error)
    return "", ""


def test_folders_deeper_than_any_recursion_limit_are_walked(tmp_path):
    # A path the system can still name; 1-letter folders make some 1,900 levels of 4,096 bytes.
    depth = (4_000 - len(os.fsencode(tmp_path))) // 2
    deep = make_deep(tmp_path, depth)
    try:
        found = listed(tmp_path)
        assert [each.name.count("/") for each in found] == [depth]
    finally:
        remove_deep(deep)


def test_folders_deeper_than_the_system_can_name_are_a_problem_and_the_rest_is_listed(tmp_path):
    touch(tmp_path / "z.mp4")
    deep = make_deep(tmp_path, 3_000, name="deep" * 25)
    try:
        found = listed(tmp_path)
        assert [each.name for each in found if isinstance(each, Listing)] == ["z.mp4"]
        (problem,) = [each for each in found if isinstance(each, ListingProblem)]
        assert "name too long" in problem.reason
    finally:
        remove_deep(deep, name="deep" * 25)


def make_deep(folder: Path, depth: int, name: str = "d") -> list[int]:
    """Nest folders, one film in the last; step by step, as no path reaches that far."""
    steps = [os.open(folder, os.O_RDONLY)]
    for _ in range(depth):
        os.mkdir(name, dir_fd=steps[-1])
        steps.append(os.open(name, os.O_RDONLY, dir_fd=steps[-1]))
        if len(steps) > 2:
            os.close(steps.pop(-2))
    os.close(os.open("film.mp4", os.O_CREAT | os.O_WRONLY, dir_fd=steps[-1]))
    return steps


def remove_deep(steps: list[int], name: str = "d") -> None:
    """Take the nest apart from within; the usual ways of removing a tree recurse."""
    root, here = steps
    os.unlink("film.mp4", dir_fd=here)
    while not os.path.sameopenfile(root, here):
        above = os.open("..", os.O_RDONLY, dir_fd=here)
        os.close(here)
        os.rmdir(name, dir_fd=above)
        here = above
    os.close(here)
    os.close(root)


def test_a_file_that_goes_while_its_folder_is_read_is_passed_over(tmp_path):
    for number in range(50):
        touch(tmp_path / f"{number}.mp4")
    listing = Stores().lister(parse_source(str(tmp_path))).list()
    next(listing)
    for path in tmp_path.iterdir():
        path.unlink()
    assert list(listing) == []


def test_what_was_met_before_reading_a_folder_broke_off_is_listed(tmp_path, monkeypatch):
    for name in ("a", "b", "c"):
        touch(tmp_path / name / "film.mp4")
    intact, root = os.scandir, tmp_path.stat()

    class Broken:
        """Reads two entries of the root, and then the disk fails."""

        def __init__(self, entries):
            self.entries = entries

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.entries.close()

        def __iter__(self):
            yield from itertools.islice(self.entries, 2)
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def failing(folder):
        entries = intact(folder)
        is_root = isinstance(folder, int) and os.path.samestat(os.fstat(folder), root)
        return Broken(entries) if is_root else entries

    monkeypatch.setattr(os, "scandir", failing)
    found = listed(tmp_path)
    assert sum(isinstance(one, Listing) for one in found) == 2
    assert [one.uri for one in found if isinstance(one, ListingProblem)] == [tmp_path.as_uri()]


def test_a_folder_that_goes_before_its_turn_is_a_problem(tmp_path):
    for name in ("one", "two"):
        touch(tmp_path / name / "film.mp4")
    listing = Stores().lister(parse_source(str(tmp_path))).list()
    first = path_of(next(listing).uri).parent
    other = tmp_path / ("two" if first.name == "one" else "one")
    shutil.rmtree(other)
    (problem,) = listing
    assert problem.uri == file_uri(other)


def test_the_root_of_the_file_system_is_a_source_like_any_other():
    walk = Walk(parse_source("/").uri)
    assert walk._uri("a b") == "file:///a%20b"


def test_a_folder_that_goes_between_naming_and_listing_is_an_error(tmp_path):
    folder = tmp_path / "films"
    folder.mkdir()
    lister = Stores().lister(parse_source(str(folder)))
    folder.rmdir()
    with pytest.raises(SourceError, match="there is no such folder; check the path"):
        list(lister.list())


def test_a_single_file_is_listed_whatever_it_is_called(tmp_path):
    path = touch(tmp_path / "no suffix at all", b"123")
    (found,) = listed(path)
    assert (found.uri, found.name, found.size) == (path.as_uri(), "no suffix at all", 3)


def test_originals_are_read_without_leaving_a_trace(tmp_path):
    path = touch(tmp_path / "a.mp4", b"x" * 1000)
    path.chmod(0o444)
    before = (path.stat().st_mtime_ns, path.stat().st_ctime_ns, list(tmp_path.iterdir()))
    (found,) = listed(tmp_path)
    with Stores().reader(found.uri).open(found.uri, size=found.size) as file:
        assert len(file.read()) == 1000
    assert (path.stat().st_mtime_ns, path.stat().st_ctime_ns, list(tmp_path.iterdir())) == before


def test_a_file_cut_short_while_it_is_read_says_that_it_changed(tmp_path):
    path = touch(tmp_path / "a.mp4", b"x" * 1000)
    uri = path.as_uri()
    with Stores().reader(uri).open(uri, size=1000) as file:
        os.truncate(path, 10)
        with pytest.raises(Exception, match="changed since it was listed"):
            file.read()
