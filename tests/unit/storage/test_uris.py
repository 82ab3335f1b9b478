import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.storage.errors import FileChanged, FileForbidden, StoreError
from tasks.storage.uris import (
    displayed,
    file_uri,
    holds_a_secret,
    path_of,
    s3_uri,
    scheme_of,
    shown,
    split_s3,
    web_uri,
)


@given(st.binary(min_size=1).filter(lambda name: b"\0" not in name and b"/" not in name))
def test_any_bytes_of_a_file_name_survive_the_way_into_a_uri_and_back(name):
    path = Path("/films") / name.decode("utf-8", "surrogateescape")
    assert path_of(file_uri(path)) == path
    assert file_uri(path) == path.as_uri()
    assert file_uri(path).isascii()


@given(st.text(min_size=1))
def test_any_key_survives_the_way_into_a_uri_and_back(key):
    assert split_s3(s3_uri("films", key)) == ("films", key)


def test_a_name_that_is_no_utf8_can_still_be_shown_and_stored():
    uri = file_uri(b"/films/caf\xe9.mp4".decode("utf-8", "surrogateescape"))
    assert uri == "file:///films/caf%E9.mp4"
    assert shown(uri) == "/films/caf\N{REPLACEMENT CHARACTER}.mp4"
    assert displayed(path_of(uri)).encode()


@pytest.mark.parametrize(
    ("text", "scheme"),
    [
        ("s3://b/k", "s3"),
        ("HTTPS://example.org/", "https"),
        ("file:///a", "file"),
        ("a/b.mp4", None),
        ("C:/film.mp4", None),
        ("a://", "a"),
        ("//host/share", None),
    ],
)
def test_a_scheme_is_what_stands_before_two_slashes(text, scheme):
    assert scheme_of(text) == scheme


@pytest.mark.parametrize(
    "address",
    [
        "https://me:pw@example.org/a.mp4",
        "https://token@example.org/a.mp4",
        "https://example.org/a.mp4?X-Amz-Algorithm=AWS4&X-Amz-Signature=c0ffee",
        "https://example.org/a.mp4?se=2026&sig=c0ffee",
        "https://example.org/a.mp4?Expires=1&Signature=c0ffee&Key-Pair-Id=K",
        "https://example.org/a.mp4?access_token=c0ffee",
    ],
)
def test_an_address_with_a_secret_is_known_and_never_shown(address):
    assert holds_a_secret(address)
    for leak in ("pw", "token", "c0ffee"):
        assert leak not in shown(address)


def test_an_ordinary_query_is_no_secret():
    assert not holds_a_secret("https://example.org/a.mp4?v=2&id=17")


def test_an_address_that_is_already_quoted_stays_as_it_is():
    assert web_uri("https://e.org/a%20b+c.mp4?x=%2F") == "https://e.org/a%20b+c.mp4?x=%2F"


def test_an_error_about_a_file_names_it_without_its_secrets_and_travels():
    error = FileForbidden("https://me:pw@example.org/a.mp4?sig=c0ffee", "no")
    assert str(error) == "https://example.org/a.mp4?…: no"
    assert "c0ffee" not in repr(error)
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy)) == (FileForbidden, str(error))
    assert isinstance(FileChanged("file:///a"), StoreError)
