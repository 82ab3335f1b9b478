import asyncio
import gzip
import socket

import httpx
import pytest
from pydantic import SecretStr
from scripted_server import Reply, enveloped

from catalog.errors import SettingsError
from catalog.values import Accepted, AnalysisType, RefusalKind, Refused, Uncertain
from tasks.wavespeed.client import WaveSpeed
from tasks.wavespeed.connection import Limits
from tasks.wavespeed.exchange import Withheld
from tasks.wavespeed.wire import MOST_BODY_BYTES

pytestmark = pytest.mark.anyio

ID = "e6832d4abffb4d79bfbca19783fca133"
MODEL = "wavespeed-ai/molmo2/video-understanding"
VIDEO = "https://bucket.example/a.mp4?X-Amz-Signature=5ec2e75ec2e7#reelcat=t1"
HTML = b"<html>oh</html>"
BOMB = gzip.compress(b" " * (MOST_BODY_BYTES * 4))


def submission(provider, *, model=MODEL, video_url=VIDEO, text=None):
    return provider.submit(model=model, video_url=video_url, task=AnalysisType.SUMMARY, text=text)


async def test_a_submission_is_one_post_with_the_key_and_known_fields_only(stage, key):
    stage.server.will(enveloped({"id": ID, "status": "created"}))
    outcome = await submission(stage.provider, text="Mind the dog: Žofka 🐎.")
    assert outcome == Accepted(provider_id=ID)
    (seen,) = stage.server.seen
    assert (seen.method, seen.target) == ("POST", f"/api/v3/{MODEL}")
    assert seen.json == {"video": VIDEO, "task": "summary", "text": "Mind the dog: Žofka 🐎."}
    assert seen.headers["authorization"] == f"Bearer {key}"
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["x-client-name"] == "reelcat"


@pytest.mark.parametrize("text", [None, "", "  \n"])
async def test_no_instructions_are_not_sent_as_empty_ones(stage, text):
    stage.server.will(enveloped({"id": ID}))
    await submission(stage.provider, text=text)
    assert set(stage.server.seen[0].json) == {"video", "task"}


async def test_half_a_surrogate_pair_in_the_instructions_does_not_break_the_request(stage):
    stage.server.will(enveloped({"id": ID}))
    assert await submission(stage.provider, text="odd \ud83d") == Accepted(provider_id=ID)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(manner="reset"),
        Reply(manner="silence"),
        Reply(body=b'{"code":200,"data":{"id":"e683', claimed=500, manner="half"),
        Reply(body=b'{"code":200,"data":{"id":"e683', claimed=500, manner="stuck"),
        Reply(status=500, body=HTML),
        Reply(status=502, body=HTML),
        Reply(status=504, body=HTML),
        Reply(body=HTML),
        Reply(body=b""),
        Reply(body=b"not gzip", headers={"Content-Encoding": "gzip"}),
        Reply(body=b" " * (MOST_BODY_BYTES + 1)),
        Reply(body=BOMB, headers={"Content-Encoding": "gzip"}),
        enveloped(None),
        enveloped({"status": "created"}),
        enveloped(None, code=5003),
    ],
)
async def test_a_lost_answer_is_uncertain_and_nothing_is_sent_again(hasty_stage, reply):
    hasty_stage.server.will(reply)
    outcome = await submission(hasty_stage.provider)
    assert isinstance(outcome, Uncertain)
    assert len(hasty_stage.server.seen) == 1
    assert hasty_stage.waits == []


@pytest.mark.parametrize("status", [429, 503])
async def test_not_even_what_may_be_tried_later_is_sent_again(stage, status):
    stage.server.will(enveloped(status=status, headers={"Retry-After": "7"}))
    outcome = await submission(stage.provider)
    assert isinstance(outcome, Refused)
    assert (outcome.kind, outcome.retry_after_seconds) == (RefusalKind.PACE, 7.0)
    assert len(stage.server.seen) == 1


async def test_a_refusal_with_half_a_body_proves_no_refusal(stage):
    stage.server.will(Reply(status=400, body=b'{"co', claimed=99, manner="half"))
    assert isinstance(await submission(stage.provider), Uncertain)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 429, 503])
@pytest.mark.parametrize("body", [b"", HTML, b'{"message":"Forbidden"}'])
async def test_a_gateways_refusal_is_uncertain_and_says_what_it_means_for_others(
    stage, status, body
):
    stage.server.will(Reply(status=status, body=body, headers={"Retry-After": "7"}))
    outcome = await submission(stage.provider)
    assert isinstance(outcome, Uncertain)
    assert outcome.status_code == status
    assert len(stage.server.seen) == 1


async def test_an_id_is_an_id_even_if_the_body_never_ends(stage):
    whole = enveloped({"id": ID})
    whole.claimed, whole.manner = len(whole.body) + 1, "half"
    stage.server.will(whole)
    assert await submission(stage.provider) == Accepted(provider_id=ID)


async def test_where_nobody_listens_nothing_was_sent(connect):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        provider = await connect(f"http://127.0.0.1:{free.getsockname()[1]}")
        outcome = await submission(provider)
    assert isinstance(outcome, Refused)
    assert outcome.kind is RefusalKind.NOT_SENT


async def test_without_a_tls_handshake_nothing_was_sent(servers, connect):
    server = await servers()
    limits = Limits(connect_seconds=0.3)
    provider = await connect(server.url.replace("http:", "https:"), limits=limits)
    outcome = await submission(provider)
    assert isinstance(outcome, Refused)
    assert outcome.kind is RefusalKind.NOT_SENT
    assert server.seen == []


async def test_a_name_that_does_not_exist_has_been_sent_nothing(connect):
    provider = await connect("http://nowhere.invalid")
    outcome = await submission(provider)
    assert isinstance(outcome, Refused)
    assert outcome.kind is RefusalKind.NOT_SENT


async def test_an_idle_connection_that_the_server_closed_is_not_used_for_a_submission(stage):
    closing = enveloped({"id": ID})
    closing.manner = "half"
    stage.server.will(closing)
    for _ in range(5):
        assert await submission(stage.provider) == Accepted(provider_id=ID)
        await asyncio.sleep(0.01)  # as long as the server's FIN takes on one machine
    assert len(stage.server.seen) == 5


async def test_a_connection_lost_after_it_was_kept_does_not_send_a_submission_twice(stage):
    stage.server.will(enveloped({"id": ID}), Reply(manner="reset"))
    assert await submission(stage.provider) == Accepted(provider_id=ID)
    assert isinstance(await submission(stage.provider), Uncertain)
    assert len(stage.server.seen) == 2


async def test_a_proxy_that_the_environment_names_is_used(servers, connect, monkeypatch):
    proxy = await servers()
    proxy.will(enveloped({"id": ID}))
    monkeypatch.setenv("http_proxy", proxy.url)
    provider = await connect("http://api.provider.example")
    assert await submission(provider) == Accepted(provider_id=ID)
    assert proxy.seen[0].target == f"http://api.provider.example/api/v3/{MODEL}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_with_the_key(stage, servers, status):
    elsewhere = await servers()
    elsewhere.will(enveloped({"id": ID}))
    stage.server.will(Reply(status=status, headers={"Location": f"{elsewhere.url}/api/v3/{MODEL}"}))
    assert isinstance(await submission(stage.provider), Uncertain)
    assert elsewhere.seen == []


@pytest.mark.parametrize(
    "model", ["", "molmo2", "../balance", "a/../b", "a/b?x=1", "a//b", "a b/c"]
)
async def test_what_is_no_models_name_is_refused_without_asking(stage, model):
    outcome = await submission(stage.provider, model=model)
    assert isinstance(outcome, Refused)
    assert outcome.kind is RefusalKind.ACCOUNT
    assert stage.server.seen == []


@pytest.mark.parametrize("video_url", ["", "/videos/a.mp4", "s3://b/a.mp4", "https://h/a b.mp4"])
async def test_what_is_no_web_address_is_refused_without_asking(stage, video_url):
    outcome = await submission(stage.provider, video_url=video_url)
    assert isinstance(outcome, Refused)
    assert outcome.kind is RefusalKind.PLACE
    assert stage.server.seen == []


@pytest.mark.parametrize("suffix", ["", "/", "/api/v3", "/api/v3/"])
async def test_the_base_url_may_be_written_in_several_ways(servers, connect, suffix):
    server = await servers()
    server.will(enveloped({"id": ID}))
    provider = await connect(server.url + suffix)
    await submission(provider)
    assert server.seen[0].target == f"/api/v3/{MODEL}"


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "api.wavespeed.ai",
        "ftp://h",
        "https://",
        "https://me:pw@h",
        "https://h?a=1",
        "https://h:x",
        f"https://{'h' * 64}.example",
        "http://h:0",
        "http://h:99999",
    ],
)
async def test_a_base_url_that_cannot_be_is_refused_at_once(connect, base_url):
    with pytest.raises(SettingsError, match="WAVESPEED_BASE_URL"):
        await connect(base_url)


@pytest.mark.parametrize("key", ["", " ", "two words", "sch\u00f6n", "a\nb"])
async def test_a_key_that_cannot_be_is_refused_without_showing_it(connect, key):
    with pytest.raises(SettingsError) as caught:
        await connect("https://h", api_key=key)
    assert not key.strip() or key not in str(caught.value)


async def test_blanks_around_the_key_are_not_sent(servers, connect):
    server = await servers()
    server.will(enveloped({"id": ID}))
    await submission(await connect(server.url, api_key=" wsk_abcdefgh\n"))
    assert server.seen[0].headers["authorization"] == "Bearer wsk_abcdefgh"


async def test_hundreds_of_submissions_share_a_bounded_number_of_connections(stage):
    stage.server.will(enveloped({"id": ID}))
    async with asyncio.TaskGroup() as group:
        sent = [group.create_task(submission(stage.provider)) for _ in range(300)]
    assert {task.result() for task in sent} == {Accepted(provider_id=ID)}
    assert stage.server.most_open <= 128


async def test_the_same_client_speaks_to_an_application_in_this_process(key):
    async def app(scope, receive, send):
        while (await receive()).get("more_body"):
            pass
        assert (b"authorization", f"Bearer {key}".encode()) in scope["headers"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        body = enveloped({"id": ID}).body
        await send({"type": "http.response.body", "body": body})

    async with WaveSpeed(
        api_key=SecretStr(key),
        base_url="http://sandbox",
        now=lambda: None,
        transport=httpx.ASGITransport(app=app),
    ) as provider:
        assert await submission(provider) == Accepted(provider_id=ID)


async def test_what_is_withheld_while_it_waits_for_other_requests_is_not_sent(servers, connect):
    server = await servers()
    server.will(Reply(manner="silence"))
    provider = await connect(server.url, limits=Limits(open_requests=1, submit_read_seconds=0.3))
    stopped = Refused(kind=RefusalKind.NOT_SENT, reason="The run was stopped.")
    said = []

    def check():
        if said:
            raise Withheld(*said)

    first = asyncio.create_task(submission(provider))
    second = asyncio.create_task(
        provider.submit(
            model=MODEL,
            video_url=f"{VIDEO}2",
            task=AnalysisType.SUMMARY,
            text=None,
            check=check,
        )
    )
    await asyncio.sleep(0.1)
    said.append(stopped)
    assert isinstance(await first, Uncertain)
    assert await second == stopped
    assert len(server.seen) == 1


@pytest.mark.parametrize("proxied", [False, True], ids=["directly", "through a proxy"])
async def test_what_is_withheld_once_it_is_connected_is_not_sent(
    servers, connect, monkeypatch, proxied
):
    """Connecting takes time, in which a process may fall asleep."""
    server = await servers()
    server.will(enveloped({"id": ID}))
    if proxied:  # the server stands for the proxy, too: it would see the whole address
        monkeypatch.setenv("http_proxy", server.url)
    base = "http://api.example" if proxied else server.url
    provider = await connect(base)
    asleep = Refused(kind=RefusalKind.NOT_SENT, reason="This process slept.")
    asked = []

    def check():
        asked.append(len(server.seen))
        if len(asked) > 1:
            raise Withheld(asleep)

    outcome = await provider.submit(
        model=MODEL, video_url=VIDEO, task=AnalysisType.SUMMARY, text=None, check=check
    )
    assert (outcome, asked, server.seen) == (asleep, [0, 0], [])
    # The connection that was made for nothing is in nobody's way.
    assert await submission(provider) == Accepted(provider_id=ID)
    assert len(server.seen) == 1
