import json

import pytest
from scripted_server import Reply, enveloped

from catalog.errors import AccountStopped
from catalog.values import Completed, Failed, Gone, Pending
from tasks.wavespeed.wire import MOST_BODY_BYTES

pytestmark = pytest.mark.anyio

ID = "e6832d4abffb4d79bfbca19783fca133"
HTML = b"<html>oh</html>"


def told(**data):
    return enveloped({"id": ID, **data})


def completed(*outputs):
    return told(status="completed", outputs=list(outputs))


async def test_a_poll_is_one_get_of_the_result_with_the_key(stage, key):
    stage.server.will(completed("A dog runs."))
    outcome = await stage.provider.poll(ID)
    assert outcome == Completed(text="A dog runs.", raw='["A dog runs."]')
    (seen,) = stage.server.seen
    assert (seen.method, seen.target) == ("GET", f"/api/v3/predictions/{ID}/result")
    assert seen.headers["authorization"] == f"Bearer {key}"


@pytest.mark.parametrize(
    "reply",
    [
        Reply(manner="reset"),
        Reply(manner="silence"),
        Reply(body=b'{"code":200,"da', claimed=99, manner="half"),
        Reply(body=b'{"code":200,"da', claimed=99, manner="stuck"),
        Reply(status=429),
        Reply(status=500, body=HTML),
        Reply(status=302, headers={"Location": "/elsewhere"}),
        Reply(body=HTML),
        Reply(body=b" " * (MOST_BODY_BYTES + 1)),
        enveloped(None),
        enveloped(None, code=5003),
        told(status="levitating"),
    ],
)
async def test_a_troubled_poll_is_pending_and_not_repeated(hasty_stage, reply):
    hasty_stage.server.will(reply)
    outcome = await hasty_stage.provider.poll(ID)
    assert isinstance(outcome, Pending)
    assert outcome.trouble
    assert len(hasty_stage.server.seen) == 1


async def test_a_poll_without_a_connection_is_pending(servers, connect):
    server = await servers()
    provider = await connect(server.url)
    await server.stop()
    outcome = await provider.poll(ID)
    assert isinstance(outcome, Pending)
    assert outcome.trouble


@pytest.mark.parametrize("provider_id", ["", "a/b", "../balance", "x?y=z"])
async def test_an_id_that_cannot_be_one_is_gone_without_asking(stage, provider_id):
    assert await stage.provider.poll(provider_id) == Gone()
    assert stage.server.seen == []


async def test_a_refused_key_stops_the_account_without_showing_the_key(stage, key):
    stage.server.will(enveloped(None, status=401, message=f"the key {key} is not valid"))
    with pytest.raises(AccountStopped) as caught:
        await stage.provider.poll(ID)
    assert key not in str(caught.value)


async def test_the_text_behind_a_url_is_fetched_without_the_key(stage, servers):
    storage = await servers()
    storage.will(Reply(body="  Ein Hund läuft.\n".encode(), headers={"Content-Type": "text/plain"}))
    stage.server.will(completed(f"{storage.url}/out.txt?sig=5ec2e7"))
    outcome = await stage.provider.poll(ID)
    assert isinstance(outcome, Completed)
    assert outcome.text == "Ein Hund läuft."
    assert json.loads(outcome.raw) == [f"{storage.url}/out.txt?***"]
    (seen,) = storage.seen
    assert seen.target == "/out.txt?sig=5ec2e7"
    assert "authorization" not in seen.headers
    assert not [name for name in seen.headers if name.startswith("x-client")]


async def test_the_text_inside_json_behind_a_url_is_found(stage, servers):
    storage = await servers()
    storage.will(Reply(body=b'{"text": "A dog."}', headers={"Content-Type": "application/json"}))
    stage.server.will(completed(f"{storage.url}/out.json"))
    outcome = await stage.provider.poll(ID)
    assert isinstance(outcome, Completed)
    assert outcome.text == "A dog."


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=404),
        Reply(status=403),
        Reply(body=b""),
        Reply(body=HTML, headers={"Content-Type": "text/html; charset=utf-8"}),
        Reply(body=b"\x00\x01\xff"),
        Reply(body=b"text\x00"),
        Reply(body=b"x" * (MOST_BODY_BYTES + 1)),
        Reply(body=b"https://h/again", headers={"Content-Type": "application/json"}),
    ],
)
async def test_where_no_text_is_behind_the_url_the_url_without_its_query_is_the_answer(
    stage, servers, reply
):
    storage = await servers()
    storage.will(reply)
    stage.server.will(completed(f"{storage.url}/out?sig=5ec2e7"))
    outcome = await stage.provider.poll(ID)
    assert isinstance(outcome, Completed)
    assert outcome.text == f"{storage.url}/out?***"
    assert "5ec2e7" not in outcome.raw


async def test_a_redirect_behind_the_url_is_not_followed(stage, servers):
    storage, inside = await servers(), await servers()
    inside.will(Reply(body=b"inner secrets"))
    storage.will(Reply(status=302, headers={"Location": inside.url}))
    stage.server.will(completed(f"{storage.url}/out"))
    outcome = await stage.provider.poll(ID)
    assert isinstance(outcome, Completed)
    assert inside.seen == []


@pytest.mark.parametrize(
    "reply",
    [
        Reply(manner="reset"),
        Reply(status=500),
        Reply(status=429),
        Reply(body=b"half", claimed=99, manner="half"),
    ],
)
async def test_while_storage_is_troubled_the_prediction_is_pending(stage, servers, reply):
    storage = await servers()
    storage.will(reply)
    stage.server.will(completed(f"{storage.url}/out"))
    outcome = await stage.provider.poll(ID)
    assert isinstance(outcome, Pending)
    assert outcome.trouble


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/admin",
        "http://[fe80::1]/",
        "http://0.0.0.0/",
        "http://me:pw@127.0.0.1/",
        "http://nowhere.invalid/a",
        "http://127.0.0.1:99999/",
        "http://[broken/",
    ],
)
async def test_addresses_that_a_video_has_no_business_with_are_not_visited(stage, url):
    stage.server.will(completed(url))
    outcome = await stage.provider.poll(ID)
    assert isinstance(outcome, Completed)
    assert outcome.text.startswith("http://")


async def test_a_failure_is_told_with_its_code(stage):
    stage.server.will(told(status="failed", code=1402, error="Failed to download video"))
    outcome = await stage.provider.poll(ID)
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.retryable) == (1402, True)
