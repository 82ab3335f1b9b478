import os
import shutil

import pytest
from range_server import WebFile

from catalog.errors import SourceError
from catalog.values import Listing, ListingProblem, SourceKind
from tasks.storage.manifest import parse_sources
from tasks.storage.registry import Stores
from tasks.storage.source import parse_source
from tasks.storage.uris import path_of


def listed(path, stores=None) -> list[Listing | ListingProblem]:
    return list((stores or Stores()).lister(parse_source(f"@{path}")).list())


def told(found) -> list[str]:
    """Names of what was found, reasons of what was not, in order."""
    return [each.name if isinstance(each, Listing) else each.reason for each in found]


@pytest.fixture
def films(tmp_path):
    for name in ("a.mp4", "b c.mp4", "sub/ü.mov", "#hash.mp4", "x,y.mp4"):
        path = tmp_path / "films" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "films"


def test_a_text_list_names_a_file_a_line_in_any_way(films, tmp_path):
    text = (
        f"# films of 2009\na.mp4\n\n  b c.mp4  \r\n{films}/sub/ü.mov\n"
        f"{films.as_uri()}/a.mp4\n./#hash.mp4\n"
    )
    (films / "list.txt").write_text(text)
    found = listed(films / "list.txt")
    assert told(found) == ["a.mp4", "b c.mp4", "sub/ü.mov", "a.mp4", "#hash.mp4"]
    assert found[0].uri == (films / "a.mp4").as_uri() == found[3].uri


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_list_may_come_from_windows(films, encoding):
    (films / "list.txt").write_bytes("a.mp4\r\nsub/ü.mov\r\n".encode(encoding))
    assert told(listed(films / "list.txt")) == ["a.mp4", "sub/ü.mov"]


def test_a_list_may_name_what_is_no_text(films):
    name = b"caf\xe9.mp4"
    path = films / os.fsdecode(name)
    path.write_bytes(b"x")
    (films / "list.txt").write_bytes(name + b"\n")
    (found,) = listed(films / "list.txt")
    assert path_of(found.uri) == path


@pytest.mark.parametrize(
    "text",
    [
        'id,Path,note\n1,a.mp4,x\n\n# no\n2,"x,y.mp4",\n',
        "id;path\n1;a.mp4\n2;x,y.mp4\n",
        "uri\na.mp4\n'x,y.mp4'\n".replace("'", '"'),
        "path\turl\nwrong\ta.mp4\nwrong\tx,y.mp4\n",
    ],
)
def test_a_table_has_a_column_that_names_the_file(films, text):
    (films / "list.csv").write_text(text)
    assert told(listed(films / "list.csv")) == ["a.mp4", "x,y.mp4"]


def test_json_lines_are_strings_or_objects(films):
    (films / "list.jsonl").write_text('"a.mp4"\n{"id": 7, "url": "sub/\\u00fc.mov"}\n\n')
    assert told(listed(films / "list.jsonl")) == ["a.mp4", "sub/ü.mov"]


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("l.txt", "a.mp4\ngs://b/k\na.mp4", "line 2: gs:// is not known"),
        ("l.txt", "a.mp4\ns3://\na.mp4", "line 2: s3:// names no bucket"),
        ("l.txt", "a.mp4\nmissing.mp4\na.mp4", "line 2: there is no such file"),
        ("l.txt", "a.mp4\nx\0y\na.mp4", "line 2: a path cannot hold a null"),
        ("l.txt", "a.mp4\nhttp://\na.mp4", "line 2: the web address names no host"),
        ("l.txt", "a.mp4\nhttp://[x/\na.mp4", "line 2: the web address names no host"),
        ("l.txt", "a.mp4\nhttps://e.org/a?sig=c0ffee\na.mp4", "line 2: the web address carries"),
        ("l.jsonl", '"a.mp4"\n{broken\n"a.mp4"', "line 2: this is not JSON"),
        ("l.jsonl", '"a.mp4"\n{"file": 1}\n"a.mp4"', "line 2: neither a string nor"),
        ("l.jsonl", '"a.mp4"\n17\n"a.mp4"', "line 2: neither a string nor"),
        ("l.csv", "# note\n\nid,uri\n1,a.mp4\n2\n3,a.mp4", "line 5: nothing in the column uri"),
        ("l.csv", 'id,uri\n1,a.mp4\n2,"a"b\n3,a.mp4', "line 3: not a row of a .csv"),
    ],
)
def test_a_bad_line_is_told_by_its_number_and_the_others_count(films, name, text, reason):
    (films / name).write_text(text)
    first, problem, last = listed(films / name)
    assert (first.name, last.name) == ("a.mp4", "a.mp4")
    assert problem.reason.startswith(reason)
    assert "c0ffee" not in repr(problem)


@pytest.mark.parametrize("text", ["", "\n\n", "id,file\n1,a.mp4\n", "# only a comment\n"])
def test_a_table_without_such_a_column_cannot_be_read(films, text):
    (films / "list.csv").write_text(text)
    with pytest.raises(SourceError, match="must name a column uri, url or path; add one"):
        listed(films / "list.csv")


def test_a_list_names_folders_buckets_and_prefixes_beside_files(films, tmp_path):
    (films / "odd.mp4").mkdir()
    lines = [
        "a.mp4",
        "sub",
        f"{tmp_path}/films/sub/",
        films.as_uri(),
        "odd.mp4/",
        "s3://films",
        "s3://films/2009/",
        "s3://films/2009/b.mp4",
        "gs://nowhere",
        "gone/",
    ]
    (films / "list.txt").write_text("\n".join(lines))
    (films / "list.csv").write_text("path\nsub\na.mp4\n")
    names = [f"@{films / 'list.txt'}", f"@{films / 'list.csv'}", str(films)]
    assert [(one.kind, one.uri) for one in parse_sources(names)] == [
        (SourceKind.MANIFEST, (films / "list.txt").as_uri()),
        (SourceKind.FOLDER, (films / "sub").as_uri()),
        (SourceKind.FOLDER, films.as_uri()),
        (SourceKind.FOLDER, (films / "odd.mp4").as_uri()),
        (SourceKind.BUCKET, "s3://films"),
        (SourceKind.BUCKET, "s3://films/2009"),
        (SourceKind.MANIFEST, (films / "list.csv").as_uri()),
    ]
    assert told(listed(films / "list.csv")) == ["a.mp4"]


def test_what_is_wrong_with_a_list_is_said_when_it_is_listed(films):
    (films / "list.csv").write_text("file\na.mp4\n")
    names = [f"@{films / 'list.csv'}", str(films)]
    assert [one.kind for one in parse_sources(names)] == [SourceKind.MANIFEST, SourceKind.FOLDER]


def test_a_list_that_went_away_cannot_be_read(films):
    (films / "list.txt").touch()
    lister = Stores().lister(parse_source(f"@{films / 'list.txt'}"))
    shutil.rmtree(films)
    with pytest.raises(SourceError, match="the list cannot be read"):
        list(lister.list())


def test_an_empty_list_is_an_empty_source(films):
    (films / "list.txt").touch()
    assert listed(films / "list.txt") == []


def test_one_list_may_name_files_of_every_kind(films, bucket, web_server):
    key = "dir with space/ü?#%41.bin"
    bucket.put(key, b"12345")
    web_server.files["clips/a b.mp4"] = WebFile(data=b"123")
    lines = [
        "a.mp4",
        f"{bucket.uri}/{key}",
        f"{web_server.url}/clips/a b.mp4?v=1",
        bucket.uri + "/no",
    ]
    (films / "list.txt").write_text("\n".join(lines))
    found = listed(films / "list.txt", bucket.stores)
    assert told(found) == [
        "a.mp4",
        f"{bucket.bucket}/{key}",
        "127.0.0.1/clips/a b.mp4",
        "line 4: there is no such file",
    ]
    assert [each.size for each in found[:3]] == [5, 5, 3]


def test_a_long_list_keeps_its_order(films):
    for number in range(200):
        (films / f"{number}.mp4").touch()
    (films / "list.txt").write_text("\n".join(f"{number}.mp4" for number in range(200)))
    assert told(listed(films / "list.txt")) == [f"{number}.mp4" for number in range(200)]


def test_a_listing_that_nobody_reads_to_its_end_leaves_no_thread_waiting(films):
    (films / "list.txt").write_text("a.mp4\n" * 500)
    listing = Stores().lister(parse_source(f"@{films / 'list.txt'}")).list()
    assert next(listing).name == "a.mp4"
    listing.close()
