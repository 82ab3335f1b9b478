"""Answers of a provider, a gateway or a storage host that means harm: each ends, soon and small."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib

import pytest
from scripted_server import Reply, enveloped

from catalog.errors import ProviderUnreadable
from catalog.values import Accepted, AnalysisType, Completed, Pending, Uncertain, UploadTicket
from tasks.wavespeed.errors import UploadRefused
from tasks.wavespeed.uploads import NotStored, Stored

pytestmark = pytest.mark.anyio

#: 64 MiB of spaces, which JSON passes over.
_LAYER = gzip.compress(b" " * (64 * 1024 * 1024))
MOST_MEMORY = 32 * 1024 * 1024


def deflated(data: bytes) -> bytes:
    return zlib.compress(data)


BOMBS = [
    ("gzip", gzip.compress(b'{"code": 200}' + b" " * (64 * 1024 * 1024))),
    ("gzip, gzip", gzip.compress(_LAYER)),
    ("gzip,gzip,gzip", gzip.compress(gzip.compress(_LAYER))),
    ("deflate", deflated(b" " * (64 * 1024 * 1024))),
    ("gzip, deflate", deflated(gzip.compress(b"{}"))),
    ("br", b"\x00" * 100),
    ("zstd", b"\x28\xb5\x2f\xfd" + b"\x00" * 100),
    ("gzip, identity, gzip", gzip.compress(gzip.compress(b"{}"))),
    ("gzip", b"this is no gzip"),
    ("gzip", gzip.compress(b'{"code": 200, "data": {"id": "pred-1"}}')[:-12]),
]
BOMB_REPLIES = [
    pytest.param(Reply(body=body, headers={"Content-Encoding": how}), id=f"{number} {how}")
    for number, (how, body) in enumerate(BOMBS)
]


@pytest.fixture
def little_memory():
    tracemalloc.start()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MOST_MEMORY


def submission(provider):
    return provider.submit(
        model="wavespeed-ai/molmo2/video-understanding",
        video_url="https://v.example/a.mp4?reelcat=t",
        task=AnalysisType.GENERAL,
        text=None,
    )


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("bomb", BOMB_REPLIES)
async def test_an_answer_that_is_packed_to_burst_stays_small(stage, bomb):
    stage.server.will(bomb)
    assert isinstance(await submission(stage.provider), Uncertain)
    assert isinstance(await stage.provider.poll("pred-1"), Pending)
    with pytest.raises(ProviderUnreadable):
        await stage.provider.balance()


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("bomb", BOMB_REPLIES)
async def test_storages_answer_that_is_packed_to_burst_stays_small(stage, tmp_path, bomb):
    film = tmp_path / "a.mp4"
    film.write_bytes(b"film")
    ticket = UploadTicket(
        put_url=f"{stage.server.url}/b/1",
        headers={},
        download_url="https://cdn.example/1",
        expires_at=None,
    )
    stage.server.will(bomb)
    assert await stage.provider.put(ticket, film, size=4) == Stored()


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("bomb", BOMB_REPLIES)
async def test_a_text_behind_a_url_that_is_packed_to_burst_stays_small(stage, servers, bomb):
    storage = await servers()
    storage.will(bomb)
    stage.server.will(
        enveloped({"id": "pred-1", "status": "completed", "outputs": [f"{storage.url}/text"]})
    )
    assert isinstance(await stage.provider.poll("pred-1"), Completed | Pending)


async def test_an_answer_in_one_gzip_is_read_and_no_other_is_asked_for(stage):
    body = gzip.compress(json.dumps({"code": 200, "data": {"id": "pred-1"}}).encode())
    stage.server.will(Reply(body=body, headers={"Content-Encoding": "GZip"}))
    assert await submission(stage.provider) == Accepted(provider_id="pred-1")
    assert stage.server.seen[0].headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize(
    "number", ["1e999999999", "9" * 5000, "-1e9999", "NaN", "Infinity"], ids="abcde"
)
async def test_absurd_numbers_end_no_run(stage, number):
    data = f'{{"id": "pred-1", "status": "failed", "code": {number}, "balance": {number}}}'
    body = f'{{"code": 200, "message": "m", "data": {data}}}'.encode()
    stage.server.will(Reply(body=body, headers={"Retry-After": number, "Date": number}))
    assert await submission(stage.provider) == Accepted(provider_id="pred-1")
    assert (await stage.provider.poll("pred-1")).code is None
    assert await stage.provider.balance() is None


def ticket_reply(url, **upload):
    upload = {"method": "PUT", "url": url, "headers": {"Content-Type": "video/mp4"}, **upload}
    return enveloped({"download_url": "https://cdn.example/1.mp4", "upload": upload})


def ask(provider):
    return provider.ticket(filename="a.mp4", size=4, content_type="video/mp4")


INSIDE = [
    *("http://10.0.0.1/b", "http://169.254.169.254/latest", "http://[fd00::1]/b", "http://db/b"),
    *("http://100.64.0.1/b", "http://[64:ff9b::a9fe:a9fe]/b", "http://[2002:a00:1::]/b"),
    *("http://192.168.0.1./b", "http://0xa9fea9fe/b", "http://metadata.google.internal/b"),
    *("http://user:pw@store.example/b", "https://u@store.example/b"),
]


@pytest.mark.parametrize("url", INSIDE)
async def test_a_ticket_into_an_internal_network_is_refused(stage, url):
    stage.server.will(ticket_reply(url))
    with pytest.raises(UploadRefused, match=r"ticket was not used: .+\. Try again later"):
        await ask(stage.provider)


@pytest.mark.parametrize("url", INSIDE)
async def test_a_download_address_into_an_internal_network_is_refused(stage, url):
    data = json.loads(ticket_reply("https://store.example/b").body)["data"]
    stage.server.will(enveloped({**data, "download_url": url}))
    with pytest.raises(UploadRefused, match="ticket was not used"):
        await ask(stage.provider)


@pytest.mark.parametrize(
    "header",
    [
        *("Authorization", "authorization", "Proxy-Authorization", "Proxy-Connection", "Cookie"),
        *("Host", "Connection", "Keep-Alive", "Transfer-Encoding", "TE", "Trailer", "Upgrade"),
        *("X-Amz-Authorization", "X-Api-Key", "Expect", "Content-Length", "X-Forwarded-For"),
    ],
)
async def test_a_ticket_may_not_speak_for_somebody_or_for_the_connection(stage, header):
    stage.server.will(ticket_reply("https://store.example/b", headers={header: "1000"}))
    with pytest.raises(UploadRefused, match=f"it wants the header {header} to be sent"):
        await ask(stage.provider)


@pytest.mark.parametrize(
    "headers",
    [
        *({"X": "a\r\nHost: evil"}, {"X\r\nY": "a"}, {"X": "\x00"}, {"X": "\x7f"}, {"X": 1}),
        *({"X": "ü"}, {"": "a"}, {"X": "a" * 5000}, {"x": "a", "X": "b"}, {"X:": "a"}),
        {f"X-{number}": "a" for number in range(100)},
    ],
)
async def test_a_ticket_whose_headers_cannot_be_sent_makes_no_sense(stage, headers):
    stage.server.will(ticket_reply("https://store.example/b", headers=headers))
    with pytest.raises(UploadRefused, match="makes no sense"):
        await ask(stage.provider)


async def test_a_ticket_may_name_what_storage_wants(stage):
    headers = {"Content-Type": "video/mp4", "x-amz-acl": "private", "Content-Length": "4"}
    stage.server.will(ticket_reply(f"{stage.server.url}/b", headers=headers))
    ticket = await ask(stage.provider)
    assert ticket.headers == {"Content-Type": "video/mp4", "x-amz-acl": "private"}


async def test_a_name_that_leads_inside_is_found_out_when_it_is_connected_to(connect, tmp_path):
    """`localhost` stands for any name that somebody lets resolve to an address inside."""
    film = tmp_path / "a.mp4"
    film.write_bytes(b"film")
    provider = await connect("https://api.example")
    ticket = UploadTicket(
        put_url="https://localhost:9/b",
        headers={},
        download_url="https://cdn.example/1",
        expires_at=None,
    )
    outcome = await provider.put(ticket, film, size=4)
    assert isinstance(outcome, NotStored)
    assert "leads into an internal network" in outcome.reason


async def test_storage_must_be_encrypted_where_the_api_is():
    from tasks.network.hosts import HostRule
    from tasks.wavespeed.uploads import read_ticket
    from tasks.wavespeed.wire import Answer, read_envelope

    def read(url):
        answer = Answer(status_code=200, headers={}, body=ticket_reply(url).body)
        rule = HostRule.next_to("api.example")
        return read_ticket(read_envelope(answer), size=4, base="https://api.example", rule=rule)

    assert read("https://store.example/b").put_url == "https://store.example/b"
    with pytest.raises(UploadRefused, match="not encrypted"):
        read("http://store.example/b")
