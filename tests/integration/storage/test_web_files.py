import random
from datetime import timedelta

import pytest
from range_server import WebFile

from tasks.storage.errors import FileForbidden, FileUnreadable, StoreUnreachable
from tasks.storage.registry import Stores
from tasks.storage.store import StoreOptions, WebOptions

DATA = random.Random(9).randbytes(300_000)


def serve(server, **how) -> str:
    server.files["a.mp4"] = WebFile(data=DATA, **how)
    return f"{server.url}/a.mp4"


def test_a_server_without_head_requests_is_asked_for_a_byte(web_server):
    uri = serve(web_server, head=False)
    found = Stores().look(uri)
    assert found.size == len(DATA)
    assert web_server.count() == {"HEAD": 1, "GET": 1}


def test_a_server_without_ranges_is_told_at_the_first_read(web_server):
    uri = serve(web_server, ranges=False)
    reader = Stores().reader(uri)
    found = reader.look(uri)
    with (
        reader.open(uri, size=found.size, etag=found.etag) as file,
        pytest.raises(FileUnreadable, match="cannot send parts of it; download it"),
    ):
        file.read(10)


def test_an_answer_that_breaks_off_is_asked_for_again_and_counted(web_server):
    uri = serve(web_server, troubles=[None, 503])
    size, etag = len(DATA), web_server.files["a.mp4"].etag
    with Stores().reader(uri).open(uri, size=size, etag=etag) as file:
        assert file.read() == DATA
        assert file.requests == 3
        assert file.bytes_read == len(DATA)


def test_a_server_that_stays_in_trouble_is_given_up(web_server):
    uri = serve(web_server, troubles=[500] * 9)
    with pytest.raises(StoreUnreachable, match=r"in trouble; try again later \(HTTP 500\)"):
        Stores(StoreOptions(web=WebOptions(max_attempts=1))).look(uri)


def test_a_file_behind_a_password_is_forbidden(web_server):
    uri = serve(web_server, troubles=[401, 401])
    with pytest.raises(FileForbidden, match="refuses it"):
        Stores().look(uri)


def test_a_redirect_is_followed_and_the_address_kept(web_server):
    serve(web_server)
    web_server.redirects["latest"] = f"{web_server.url}/a.mp4"
    uri = f"{web_server.url}/latest"
    reader = Stores().reader(uri)
    found = reader.look(uri)
    assert (found.uri, found.size) == (uri, len(DATA))
    with reader.open(uri, size=found.size, etag=found.etag) as file:
        assert file.read(100) == DATA[:100]


def test_a_redirect_without_end_is_no_answer(web_server):
    web_server.redirects["round"] = "/round"
    uri = f"{web_server.url}/round?sig=c0ffee"
    stores = Stores(StoreOptions(web=WebOptions(max_attempts=1)))
    with pytest.raises(StoreUnreachable) as caught:
        stores.look(uri)
    assert "c0ffee" not in f"{caught.value}{caught.value!r}"


@pytest.mark.parametrize(
    ("uri", "marked"),
    [
        ("https://e.org/a.mp4", "https://e.org/a.mp4?reelcat=t"),
        ("https://e.org/a.mp4?v=1&sig=2", "https://e.org/a.mp4?v=1&sig=2#reelcat=t"),
    ],
)
def test_an_address_for_the_provider_is_marked_without_breaking_a_query(uri, marked):
    url = (
        Stores()
        .reader(uri)
        .provider_url(uri, version=None, token="t", expires_in=timedelta(hours=1))
    )
    assert url == marked


def test_a_file_without_a_date_is_listed_all_the_same(web_server):
    assert Stores().look(serve(web_server, modified=None)).etag is not None
