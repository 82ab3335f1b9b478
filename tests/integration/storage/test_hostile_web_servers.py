"""Web servers that mean harm: what they send ends, and they lead nowhere but outside."""

from __future__ import annotations

import tracemalloc

import pytest
from range_server import RangeServer, WebFile
from raw_server import head

from tasks.storage.errors import FileUnreadable, StoreError, StoreUnreachable
from tasks.storage.registry import Stores
from tasks.storage.store import StoreOptions, WebOptions

SIZE = 1_000_000
HASTY = StoreOptions(web=WebOptions(max_attempts=1, request_seconds=0.5))
PATIENT = StoreOptions(web=WebOptions(max_attempts=1))


def read(url: str, options: StoreOptions = HASTY) -> bytes:
    uri = f"{url}/a.mp4"
    with Stores(options).reader(uri).open(uri, size=SIZE) as file:
        return file.read(10)


PART = f"bytes 0-262143/{SIZE}"
ENDLESS = b"\x00" * 65_536


@pytest.mark.parametrize(
    "fields",
    [
        {"Content_Range": PART},
        {"Content_Range": PART, "Content_Length": 10**15},
        {"Content_Range": f"bytes 5-262148/{SIZE}"},
        {"Content_Range": f"bytes 0-{SIZE - 1}/{SIZE}"},
        {"Content_Range": f"bytes 0-{'9' * 5000}/{SIZE}"},
        {"Content_Range": "bytes 0-262143/*"},
        {"Content_Range": PART, "Content_Encoding": "gzip"},
        {},
    ],
    ids="abcdefgh",
)
def test_an_answer_without_end_is_read_as_far_as_was_asked(raw, fields):
    server = raw(head(**fields), ENDLESS)
    tracemalloc.start()
    with pytest.raises(FileUnreadable, match="cannot send parts of it; download it"):
        read(server.url, PATIENT)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 32 * SIZE


def test_a_whole_film_instead_of_a_part_is_not_read(raw):
    server = raw(head("200 OK"), ENDLESS)
    with pytest.raises(FileUnreadable):
        read(server.url, PATIENT)


@pytest.mark.parametrize(
    ("beginning", "block"),
    [
        (head(Content_Range=PART, Content_Length=262_144), b"\x00"),
        (head(Content_Range=PART), b"\x00"),
        (b"HTTP/1.1 206 Partial Content\r\n", b"X: y\r\n"),
        (b"", b"H"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["body", "body without length", "headers", "status", "interim answers"],
)
def test_an_answer_that_drips_ends(raw, beginning, block):
    server = raw(beginning, block, pause=0.05)
    with pytest.raises(StoreUnreachable):
        read(server.url)
    if not beginning.endswith(b"\r\n\r\n"):  # looking reads no body
        with pytest.raises(StoreUnreachable):
            Stores(HASTY).look(f"{server.url}/a.mp4")


@pytest.mark.parametrize("length", ["9" * 5000, str(2**63), "-1", "1e9", "٣", ""], ids="abcdef")
def test_a_length_that_is_none_is_no_traceback(raw, length):
    server = raw(head("200 OK", Content_Length=length))
    with pytest.raises(StoreError):
        Stores(HASTY).look(f"{server.url}/a.mp4")


@pytest.mark.parametrize(
    "date", ["Mon, 23 Nov 99999999999 08:00:00 GMT", "9" * 5000, "x"], ids="abc"
)
def test_a_date_that_is_none_is_no_date(web_server, date):
    web_server.files["a.mp4"] = WebFile(data=b"x", modified=date)
    assert Stores().look(f"{web_server.url}/a.mp4").mtime_ns == 0


@pytest.fixture
def other():
    server = RangeServer()
    server.files["a.mp4"] = WebFile(data=b"secret")
    yield server
    server.close()


@pytest.mark.parametrize(
    "where",
    [
        *("http://127.0.0.1:{port}/a.mp4", "http://localhost:{port}/a.mp4", "//127.1:{port}/a.mp4"),
        *("http://2130706433:{port}/a.mp4", "http://0x7f.1:{port}/a.mp4", "//0:{port}/a.mp4"),
        *("http://[::ffff:127.0.0.1]:{port}/a.mp4", "http://[::1]:{port}/", "http://10.0.0.1/"),
        *("http://169.254.169.254/latest/meta-data/", "http://[64:ff9b::7f00:1]:{port}/a.mp4"),
        *("http://[64:ff9b:1::a9fe:a9fe]/", "http://[2002:7f00:1::]:{port}/a.mp4"),
        *("http://100.64.0.1/", "http://redis:6379/", "http://u:p@127.0.0.1:{port}/a.mp4"),
        *("file:///etc/passwd", "ftp://example.org/a.mp4", "http://nowhere.invalid/a.mp4"),
    ],
)
def test_a_redirect_into_an_internal_network_is_not_followed(web_server, other, where):
    web_server.redirects["a.mp4"] = where.format(port=other.url.rpartition(":")[2])
    uri = f"{web_server.url}/a.mp4"
    with pytest.raises(FileUnreadable, match="name the file's own address"):
        Stores(PATIENT).look(uri)
    with pytest.raises(FileUnreadable), Stores(PATIENT).reader(uri).open(uri, size=6) as file:
        file.read()
    assert other.requests == []


def test_every_hop_is_judged(web_server, other):
    web_server.redirects["a.mp4"] = "/b.mp4"
    web_server.redirects["b.mp4"] = f"{other.url}/a.mp4"
    with pytest.raises(FileUnreadable):
        Stores(PATIENT).look(f"{web_server.url}/a.mp4")
    assert other.requests == []


def test_the_body_of_a_redirect_is_not_read(raw, web_server):
    web_server.files["a.mp4"] = WebFile(data=b"x" * SIZE)
    server = raw(head("302 Found", Location="/again"), ENDLESS)
    with pytest.raises(StoreUnreachable):
        Stores(PATIENT).look(f"{server.url}/a.mp4")
    assert server.asked == 10
