import httpx
import pytest
from scripted_server import Reply, enveloped

from catalog.errors import AccountStopped
from catalog.values import RefusalKind, UploadTicket
from tasks.wavespeed.errors import UploadRefused
from tasks.wavespeed.uploads import NotStored, PerhapsStored, Stored

pytestmark = pytest.mark.anyio

#: More than one block, and not a whole number of them.
CONTENT = bytes(range(256)) * 5000
HEADERS = {"Content-Type": "video/mp4", "If-None-Match": "*"}


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "Divorce hearing.MP4"
    path.write_bytes(CONTENT)
    return path


def ticket_for(url):
    return UploadTicket(
        put_url=f"{url}/b/1.mp4?X-Amz-Signature=5ec2e7",
        headers=HEADERS,
        download_url="https://cdn.example/1.mp4",
        expires_at=None,
    )


def ticket_data(**upload):
    return {
        "type": "video",
        "download_url": "https://cdn.example/1.mp4",
        "upload": {
            "method": "PUT",
            "url": "https://store.example/1.mp4?sig=5ec2e7",
            "headers": HEADERS,
            "expires_at": "2026-11-23T13:00:00Z",
            **upload,
        },
    }


def ask(provider):
    return provider.ticket(
        filename="/home/eve/Divorce hearing.MP4", size=123, content_type="video/mp4"
    )


async def test_a_ticket_is_asked_for_without_telling_the_files_name(stage):
    stage.server.will(enveloped(ticket_data()))
    ticket = await ask(stage.provider)
    (seen,) = stage.server.seen
    assert seen.target == "/api/v3/media/uploads"
    assert seen.json == {"filename": "random1.mp4", "size": 123, "content_type": "video/mp4"}
    assert ticket.put_url == "https://store.example/1.mp4?sig=5ec2e7"
    assert ticket.headers == HEADERS
    assert ticket.download_url == "https://cdn.example/1.mp4"
    assert ticket.expires_at is not None


async def test_a_ticket_is_asked_for_again_after_trouble(stage):
    stage.server.will(Reply(status=429, headers={"Retry-After": "2"}), enveloped(ticket_data()))
    await ask(stage.provider)
    assert len(stage.server.seen) == 2
    assert stage.waits[0] >= 2.0


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (enveloped(None, status=413), RefusalKind.ITEM),
        (enveloped(None, status=400, message="format not supported"), RefusalKind.ITEM),
        (enveloped(None, status=429, message="Upload quota exceeded"), RefusalKind.NOT_SENT),
        (Reply(status=500), RefusalKind.NOT_SENT),
        (Reply(manner="reset"), RefusalKind.NOT_SENT),
        (Reply(status=404), RefusalKind.ACCOUNT),
        (enveloped(None), RefusalKind.NOT_SENT),
        (enveloped({"download_url": "https://cdn.example/1.mp4"}), RefusalKind.PACE),
        (enveloped(ticket_data(method="POST")), RefusalKind.PACE),
        (enveloped(ticket_data(url="file:///etc/passwd")), RefusalKind.PACE),
        (enveloped(ticket_data(headers={"X": "a\r\nY: b"})), RefusalKind.PACE),
        (enveloped(ticket_data(headers={"X Y": "a"})), RefusalKind.PACE),
    ],
)
async def test_no_ticket_says_for_whom_there_is_none(stage, reply, kind):
    stage.server.will(reply)
    with pytest.raises(UploadRefused) as caught:
        await ask(stage.provider)
    assert caught.value.kind is kind


async def test_a_refused_key_stops_the_account(stage):
    stage.server.will(Reply(status=401))
    with pytest.raises(AccountStopped):
        await ask(stage.provider)


async def test_the_bytes_arrive_with_the_tickets_headers_and_without_the_key(stage, video):
    stage.server.will(Reply(status=200))
    outcome = await stage.provider.put(ticket_for(stage.server.url), video, size=len(CONTENT))
    assert outcome == Stored()
    (seen,) = stage.server.seen
    assert (seen.method, seen.target) == ("PUT", "/b/1.mp4?X-Amz-Signature=5ec2e7")
    assert seen.body == CONTENT
    assert seen.headers["content-length"] == str(len(CONTENT))
    assert seen.headers["content-type"] == "video/mp4"
    assert seen.headers["if-none-match"] == "*"
    assert "transfer-encoding" not in seen.headers
    assert "authorization" not in seen.headers
    assert video.read_bytes() == CONTENT


async def test_an_empty_file_is_sent_as_one(stage, tmp_path):
    path = tmp_path / "empty.mp4"
    path.touch()
    stage.server.will(Reply(status=201))
    assert await stage.provider.put(ticket_for(stage.server.url), path, size=0) == Stored()


@pytest.mark.parametrize(
    "lost", [Reply(manner="reset"), Reply(manner="silence"), Reply(status=500)]
)
async def test_412_after_a_lost_answer_means_that_it_was_stored(hasty_stage, video, lost):
    hasty_stage.server.will(lost, Reply(status=412))
    ticket = ticket_for(hasty_stage.server.url)
    assert await hasty_stage.provider.put(ticket, video, size=len(CONTENT)) == Stored()
    assert len(hasty_stage.server.seen) == 2


async def test_412_at_once_means_that_somebody_elses_file_is_there(stage, video):
    stage.server.will(Reply(status=412))
    outcome = await stage.provider.put(ticket_for(stage.server.url), video, size=len(CONTENT))
    assert isinstance(outcome, NotStored)
    assert outcome.kind is RefusalKind.PACE


async def test_412_after_a_429_is_somebody_elses_too(stage, video):
    stage.server.will(Reply(status=429), Reply(status=412))
    outcome = await stage.provider.put(ticket_for(stage.server.url), video, size=len(CONTENT))
    assert isinstance(outcome, NotStored)


async def test_a_put_whose_answers_are_all_lost_is_perhaps_stored(stage, video):
    stage.server.will(Reply(manner="reset"))
    outcome = await stage.provider.put(ticket_for(stage.server.url), video, size=len(CONTENT))
    assert isinstance(outcome, PerhapsStored)
    assert "5ec2e7" not in outcome.reason
    assert len(stage.server.seen) == 3


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RefusalKind.PLACE),
        (413, RefusalKind.ITEM),
        (403, RefusalKind.PACE),
        (404, RefusalKind.PACE),
        (307, RefusalKind.PACE),
    ],
)
async def test_a_refused_put_is_not_repeated(stage, video, status, kind):
    stage.server.will(Reply(status=status, headers={"Location": "http://127.0.0.1:9/"}))
    outcome = await stage.provider.put(ticket_for(stage.server.url), video, size=len(CONTENT))
    assert isinstance(outcome, NotStored)
    assert outcome.kind is kind
    assert len(stage.server.seen) == 1


@pytest.mark.parametrize("size", [len(CONTENT) - 1, len(CONTENT) + 1])
async def test_a_file_that_changed_since_it_was_measured_is_not_sent(stage, video, size):
    outcome = await stage.provider.put(ticket_for(stage.server.url), video, size=size)
    assert isinstance(outcome, NotStored)
    assert outcome.kind is RefusalKind.PLACE
    assert stage.server.seen == []


async def test_a_file_that_is_gone_is_one_bad_file(stage, tmp_path):
    outcome = await stage.provider.put(ticket_for(stage.server.url), tmp_path / "no", size=1)
    assert isinstance(outcome, NotStored)
    assert outcome.kind is RefusalKind.PLACE


@pytest.mark.parametrize("address", ["http://127.0.0.1:99999", f"http://{'h' * 64}.example"])
async def test_a_ticket_for_an_impossible_address_stores_nothing(stage, video, address):
    outcome = await stage.provider.put(ticket_for(address), video, size=len(CONTENT))
    assert isinstance(outcome, NotStored)


async def test_storage_on_the_apis_own_origin_does_not_get_the_key_either(stage, video):
    stage.server.will(Reply(status=200))
    await stage.provider.put(ticket_for(stage.server.url), video, size=len(CONTENT))
    assert "authorization" not in httpx.Headers(stage.server.seen[0].headers)
