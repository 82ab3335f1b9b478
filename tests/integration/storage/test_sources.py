import os
import subprocess
import sys
from pathlib import Path

import pytest

from catalog.errors import SourceError, UsageError
from catalog.values import SourceKind
from tasks.storage.source import Source, parse_source
from tasks.storage.uris import path_of


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("s3://films", "s3://films"),
        ("s3://films/", "s3://films"),
        ("S3://films/2009", "s3://films/2009"),
        ("s3://films/2009/", "s3://films/2009"),
        ("s3://films/a b/ü %41?#", "s3://films/a b/ü %41?#"),
        ("s3://films//a//b/", "s3://films//a//b"),
        ("s3://films//a", "s3://films//a"),
        ("s3://films/ /", "s3://films/ "),
        ("s3://films/./", "s3://films/."),
        ("s3://films/../", "s3://films/.."),
    ],
)
def test_a_bucket_and_prefix_is_the_same_source_with_and_without_a_slash(text, uri):
    assert parse_source(text) == Source(uri=uri, kind=SourceKind.BUCKET, label=uri)


@pytest.mark.parametrize(
    "text", ["s3://films//", "s3://films///", "s3://films/a//", "s3://films//a///"]
)
def test_a_prefix_that_ends_in_an_empty_name_keeps_its_slashes(text):
    assert parse_source(text) == Source(uri=text, kind=SourceKind.BUCKET, label=text)


def test_a_folder_and_a_file_are_told_apart(tmp_path):
    (tmp_path / "a.mp4").touch()
    folder = parse_source(f"{tmp_path}/")
    assert (folder.kind, folder.uri, folder.label) == (
        SourceKind.FOLDER,
        tmp_path.as_uri(),
        str(tmp_path),
    )
    assert parse_source(str(tmp_path / "a.mp4")).kind is SourceKind.FILE
    assert parse_source(tmp_path.as_uri()) == folder


def test_a_relative_path_is_made_absolute_but_links_keep_their_names(tmp_path, monkeypatch):
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real/deep")
    monkeypatch.chdir(tmp_path)
    assert parse_source("link").uri == (tmp_path / "link").as_uri()
    assert parse_source(".").uri == tmp_path.as_uri()
    # What `ls link/..` shows: the link is followed before the dots count.
    assert parse_source("link/..").uri == (tmp_path / "real").as_uri()


def test_a_path_that_is_no_text_survives(tmp_path):
    odd = tmp_path / os.fsdecode(b"\xff\xfe folder")
    odd.mkdir()
    source = parse_source(os.fspath(odd))
    assert path_of(source.uri) == odd
    assert source.label.encode()


def test_a_list_is_named_with_an_at_sign(tmp_path):
    path = tmp_path / "Nightly.TXT"
    path.touch()
    source = parse_source(f"@{path}")
    assert (source.kind, source.uri, source.label) == (
        SourceKind.MANIFEST,
        path.as_uri(),
        f"@{path}",
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "A source is empty; name a folder"),
        ("  ", "A source is empty; name a folder"),
        ("@", "a bare @; name the list after it"),
        ("s3://", "names no bucket; write s3://bucket"),
        ("s3:///key", "names no bucket; write s3://bucket"),
        ("gs://films/x", "reelcat cannot list gs://; name a folder"),
        ("https://me:pw@example.org/a.mp4?sig=1", "https://example.org/a.mp4?…: a web address"),
        ("no/such/folder", "no/such/folder: there is no such folder or file; check the path."),
        ("a\0b", "no path at all"),
        ("x" * 5000, "no path at all"),
        ("@missing.txt", "there is no such folder or file"),
        ("@list.json", "a list is a .txt, .csv or .jsonl file"),
        ("/dev/null", "neither a folder nor a file"),
    ],
)
def test_what_cannot_be_meant_gets_one_sentence(text, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        parse_source(text)
    assert sentence in str(caught.value)
    assert str(caught.value).endswith(".")


def test_a_folder_is_no_list(tmp_path):
    (tmp_path / "x.txt").mkdir()
    with pytest.raises(SourceError, match="it is a folder, not a list"):
        parse_source(f"@{tmp_path / 'x.txt'}")


def test_naming_and_listing_local_sources_imports_neither_boto3_nor_httpx():
    code = (
        "import sys, tasks.storage.source, tasks.storage.registry, tasks.storage.filters\n"
        "list(tasks.storage.registry.Stores().lister(tasks.storage.source.parse_source('.')).list())\n"
        "assert not {'boto3', 'botocore', 'httpx'} & set(sys.modules), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent)
