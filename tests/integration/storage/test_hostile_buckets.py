"""S3 endpoints that mean harm, or are something else: each answer ends, in one sentence."""

from __future__ import annotations

import io
import tracemalloc

import pytest
from raw_server import head

from catalog.errors import SourceError
from catalog.values import ListingProblem
from tasks.storage.errors import FileUnreadable, StoreUnreachable
from tasks.storage.registry import Stores
from tasks.storage.s3 import read_limits
from tasks.storage.source import parse_source
from tasks.storage.store import S3Options, StoreOptions

SIZE = 1_000_000
ENDLESS = b" " * 65_536
URI = "s3://films/a.mp4"
MANIFEST = "s3://lists/films/daily/manifest.json"


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.delenv("AWS_PROFILE", raising=False)


def stores_at(server) -> Stores:
    options = S3Options(endpoint_url=server.url, region="us-east-1", max_attempts=1)
    return Stores(StoreOptions(s3=options))


def listed(server):
    return list(stores_at(server).lister(parse_source("s3://films")).list())


@pytest.mark.parametrize("status", ["200 OK", "403 Forbidden", "503 Slow Down"])
def test_a_listing_without_end_ends(raw, status):
    server = raw(head(status, Content_Type="application/xml") + b"<ListBucketResult>", ENDLESS)
    tracemalloc.start()
    with pytest.raises(SourceError):
        listed(server)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * read_limits.MOST_BYTES


def test_a_listing_that_drips_ends(raw, monkeypatch):
    monkeypatch.setattr(read_limits, "MOST_SECONDS", 0.3)
    server = raw(head("200 OK"), b" ", pause=0.05)
    with pytest.raises(SourceError):
        listed(server)


def test_a_manifest_that_drips_ends(raw, monkeypatch):
    monkeypatch.setattr(read_limits, "MOST_SECONDS", 0.3)
    server = raw(head("200 OK"), b" ", pause=0.05)
    with pytest.raises(SourceError):
        list(stores_at(server).lister(parse_source(MANIFEST)).list())


def test_a_file_of_an_inventory_that_drips_ends(raw, monkeypatch):
    monkeypatch.setattr(read_limits, "MOST_SECONDS", 0.3)
    server = raw(head("200 OK"), b" ", pause=0.05)
    lister = stores_at(server).lister(parse_source(MANIFEST))
    with pytest.raises(ValueError, match=r"check the network|try again"):
        lister._bring("a.csv.gz", io.BytesIO(), None)


def test_a_refusal_without_end_ends(raw):
    server = raw(head("403 Forbidden") + b"<Error>", ENDLESS)
    with (
        stores_at(server).reader(URI).open(URI, size=SIZE) as file,
        pytest.raises(StoreUnreachable),
    ):
        file.read(10)


def test_an_object_without_end_is_read_as_far_as_was_asked(raw):
    part = head(Content_Range=f"bytes 0-262143/{SIZE}", ETag="e1")
    server = raw(part, ENDLESS)
    tracemalloc.start()
    with (
        stores_at(server).reader(URI).open(URI, size=SIZE) as file,
        pytest.raises(FileUnreadable, match="more than was asked"),
    ):
        file.read(10)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 32 * SIZE


def page(size="1", stamp="2026-11-23T08:00:00Z", etag="e1") -> bytes:
    row = f"<Key>a.mp4</Key><Size>{size}</Size><LastModified>{stamp}</LastModified>"
    row += f"<ETag>{etag}</ETag>"
    body = f"<ListBucketResult><Contents>{row}</Contents></ListBucketResult>".encode()
    return head("200 OK", Content_Length=len(body), Connection="close") + body


@pytest.mark.parametrize(
    "answer",
    [
        *(page(size="9" * 5000), page(size=str(2**63)), page(size="-1"), page(size="1e9")),
        *(page(stamp="never"), page(stamp="999999999-01-01T00:00:00Z"), page()[:-10] + b"<" * 10),
        head("200 OK", Content_Length=4, Connection="close") + b"html",
        head("200 OK", Content_Length="9" * 5000, Connection="close"),
    ],
    ids=["long", "large", "negative", "power", "never", "late", "cut", "html", "nothing"],
)
def test_a_listing_that_makes_no_sense_is_one_sentence(raw, answer):
    try:
        [found] = listed(raw(answer))
    except SourceError as error:
        sentence = str(error)
    else:
        assert isinstance(found, ListingProblem)
        sentence = found.reason
    assert "check AWS_ENDPOINT_URL_S3" in sentence or "try again later" in sentence


def test_what_no_column_holds_is_left_out(raw):
    [found] = listed(raw(page(stamp="9999-12-31T00:00:00Z", etag="e" * 1000)))
    assert (found.mtime_ns, found.etag) == (0, None)


@pytest.mark.parametrize("length", ["9" * 5000, str(2**63), "-1", "x"], ids="abcd")
def test_an_object_of_absurd_length_is_one_sentence(raw, length):
    server = raw(head("200 OK", Content_Length=length, Last_Modified="x", Connection="close"))
    with pytest.raises(StoreUnreachable):
        stores_at(server).look(URI)
