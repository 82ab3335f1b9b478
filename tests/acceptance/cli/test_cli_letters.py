"""Names in any script, and in none: found as they are typed, and never a traceback."""

from __future__ import annotations

import os
import unicodedata
from contextlib import closing

import pytest
import sqlalchemy as sa

from catalog.database import connect
from tasks.storage.manifest import Entry, Fault, read_manifest
from tasks.storage.uris import file_uri

COMPOSED = unicodedata.normalize("NFC", "Café Straße.mp4")
APART = unicodedata.normalize("NFD", COMPOSED)
LATIN = os.fsdecode(b"caf\xe9.mp4")


@pytest.fixture
def named(archive):
    """Names the boat's place anew."""

    def name(text: str) -> None:
        path = archive.folder / text
        with (
            closing(connect(os.environ["REELCAT_DATABASE_URL"])) as catalog,
            catalog.engine.begin() as connection,
        ):
            connection.execute(
                sa.text("UPDATE locations SET name = :name, uri = :uri WHERE uri LIKE '%boat%'"),
                {"name": os.fsencode(text).decode("utf-8", "replace"), "uri": file_uri(path)},
            )

    return name


@pytest.mark.parametrize("name", [COMPOSED, APART])
def test_a_name_is_found_however_its_letters_are_written(archive, named, name):
    named(name)
    for typed in (COMPOSED, APART, "CAFÉ", "STRASSE", "café straße", f"./x/../{COMPOSED}"):
        shown = archive("show", typed)
        assert (shown.code, shown.err) == (0, "")
    assert archive("show", "cafè").code == 2


def test_bytes_that_are_no_text_name_the_file_that_has_them(archive, named):
    named(LATIN)
    address = file_uri(archive.folder / LATIN)
    for typed in (
        LATIN,
        f"./{LATIN}",
        address,
        address.replace("%E9", "%e9"),
        address.replace("//", "//localhost"),
    ):
        shown = archive("show", typed)
        assert (shown.code, shown.err) == (0, "")
        assert "v1-00boat" in shown.out
        assert "caf%E9.mp4" in shown.out
    assert archive("show", os.fsdecode(b"th\xe9")).code == 2


def test_bytes_that_are_no_text_are_looked_for_in_vain(archive):
    assert archive("search", LATIN).code == 0
    asked = archive("run", ".", "--instructions", LATIN)
    assert (asked.code, asked.err.count("\n")) == (2, 1)
    assert archive("plan", ".", "--include", f"*{LATIN}", "--provider", "offline").code == 0


def test_a_list_may_hold_any_bytes(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(
        b"caf\xe9.mp4\ns3://films/caf\xe9.mp4\nhttp://h.example/caf\xe9.mp4\ns3://films/\x00\n"
    )
    local, key, web, null = read_manifest(path)
    assert local == Entry(
        line=1, uri=file_uri(tmp_path / LATIN), name="caf\N{REPLACEMENT CHARACTER}.mp4"
    )
    assert isinstance(key, Fault)
    assert isinstance(null, Fault)
    assert isinstance(web, Entry)
    assert web.uri == "http://h.example/caf%E9.mp4"
    path = tmp_path / "list.jsonl"
    path.write_text('"a\\ud800.mp4"\n"s3://films/a\\ud800.mp4"\n{"url": "http://h/\\ud800"}\n')
    assert all(isinstance(one, Fault) for one in read_manifest(path))
