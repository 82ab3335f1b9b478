"""How the sandbox gets at videos: uploads, the web, files; and what it refuses."""

from __future__ import annotations

import contextlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from sandbox_client import open_desk, options

from catalog.errors import SettingsError
from catalog.pricing import OFFLINE
from tasks.sandbox.options import Mode

pytestmark = pytest.mark.anyio

CONTENT = b"7.5 seconds"


def watching(**values):
    return options(mode=Mode.VIDEO, **values)


class _Counting(SimpleHTTPRequestHandler):
    def do_GET(self):
        self.server.seen.append((self.path, self.headers.get("Authorization")))
        super().do_GET()

    def log_message(self, *args):
        pass


@pytest.fixture
def web(tmp_path):
    """A web server of a folder, which notes what it is asked for."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Counting, directory=tmp_path))
    server.seen = []
    server.folder = tmp_path
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    with contextlib.closing(server.socket):
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


async def test_an_upload_is_described_and_billed_by_its_measured_length():
    async with open_desk(watching()) as desk:
        url = await desk.uploaded(CONTENT)
        id_ = await desk.accepted(url, task="counting", text="people")
        data = await desk.ended(id_)
        assert data["outputs"] == ["Sandbox answer, not Molmo2: counting of 7.5 seconds, people"]
        assert [row["price"] for row in await desk.bill(id_)] == [0.01]


async def test_the_offline_model_speaks_in_its_own_name():
    async with open_desk(watching()) as desk:
        id_ = await desk.accepted(await desk.uploaded(CONTENT), model=OFFLINE)
        assert (await desk.ended(id_))["outputs"] == ["general of 7.5 seconds, no instructions"]


async def test_a_video_on_the_web_is_fetched_once_for_all_its_tasks_without_the_key(web):
    (web.folder / "a.mp4").write_bytes(CONTENT)
    async with open_desk(watching()) as desk:
        for number, task in enumerate(("summary", "counting", "analysis")):
            id_ = await desk.accepted(f"{web.url}/a.mp4?X-Amz-Signature={number}", task=task)
            assert task in (await desk.ended(id_))["outputs"][0]
        assert web.seen == [("/a.mp4?X-Amz-Signature=0", None)]
        await desk.accepted(await desk.uploaded(CONTENT), task="summary")
        assert (await desk.audit())["duplicates"] == 1


@pytest.mark.parametrize("path", ["/missing.mp4", None])
async def test_a_video_that_cannot_be_fetched_fails_with_1402_and_is_refunded(web, path):
    url = f"{web.url}{path}" if path else "http://127.0.0.1:1/a.mp4"
    async with open_desk(watching()) as desk:
        id_ = await desk.accepted(url)
        data = await desk.ended(id_)
        assert (data["status"], data["code"]) == ("failed", 1402)
        assert url not in data["error"]
        rows = await desk.bill(id_, sort="created_at ASC")
        assert [(row["billing_type"], row["price"]) for row in rows] == [
            ("deduct", 0.005),
            ("refund", 0.005),
        ]


async def test_a_failed_fetch_is_tried_again_for_the_next_submission(web):
    async with open_desk(watching()) as desk:
        url = f"{web.url}/late.mp4"
        assert (await desk.ended(await desk.accepted(url)))["status"] == "failed"
        (web.folder / "late.mp4").write_bytes(CONTENT)
        assert (await desk.ended(await desk.accepted(url)))["status"] == "completed"


async def test_a_video_beyond_the_size_cap_is_not_fetched(web):
    (web.folder / "a.mp4").write_bytes(CONTENT)
    async with open_desk(watching(max_video_bytes=5)) as desk:
        assert (await desk.ended(await desk.accepted(f"{web.url}/a.mp4")))["code"] == 1402


async def test_what_is_no_video_fails_with_1403():
    async with open_desk(watching()) as desk:
        id_ = await desk.accepted(await desk.uploaded(b"a text"))
        assert (await desk.ended(id_))["code"] == 1403


async def test_a_model_that_raises_fails_its_own_task_alone():
    async with open_desk(watching()) as desk:
        bad = await desk.accepted(await desk.uploaded(b"7.5 seconds \xff"))
        good = await desk.accepted(await desk.uploaded(CONTENT))
        assert (await desk.ended(bad))["code"] == 1403
        assert (await desk.ended(good))["status"] == "completed"


async def test_a_file_is_read_only_where_files_are_allowed(tmp_path):
    path = tmp_path / "ä b.mp4"
    path.write_bytes(CONTENT)
    async with open_desk(watching(allow_files=True)) as desk:
        data = await desk.ended(await desk.accepted(path.as_uri(), model=OFFLINE))
        assert data["outputs"] == ["general of 7.5 seconds, no instructions"]
        gone = await desk.accepted((tmp_path / "gone.mp4").as_uri())
        assert (await desk.ended(gone))["code"] == 1402
    async with open_desk(watching()) as desk:
        assert (await desk.submit(path.as_uri())).status_code == 400


async def test_an_already_completed_answer_waits_for_the_work():
    from tasks.sandbox.faults import Fault

    async with open_desk(options(Fault.SUBMIT_COMPLETED, mode=Mode.VIDEO)) as desk:
        url = await desk.uploaded(CONTENT)
        data = (await desk.submit(url)).json()["data"]
        assert (data["status"], len(data["outputs"])) == ("completed", 1)


async def test_a_quote_measures_the_video(web):
    (web.folder / "a.mp4").write_bytes(b"31 seconds")
    async with open_desk(watching()) as desk:

        async def quoted(name):
            inputs = {"video": f"{web.url}/{name}"}
            body = {"model_id": "wavespeed-ai/molmo2/video-understanding", "inputs": inputs}
            return await desk.client.post("/api/v3/model/price", json=body)

        assert (await quoted("a.mp4")).json()["data"]["price"] == 0.035
        assert (await quoted("missing.mp4")).status_code == 400


async def test_a_ticket_leads_to_one_put_and_a_download_with_ranges():
    async with open_desk(options()) as desk:
        ticket = (await desk.ticket(len(CONTENT), "käse film.mp4")).json()["data"]
        assert (ticket["type"], ticket["size"]) == ("video", len(CONTENT))
        assert ticket["upload"]["method"] == "PUT"
        assert ticket["upload"]["headers"] == {"Content-Type": "video/mp4", "If-None-Match": "*"}
        assert ticket["upload"]["expires_at"].startswith("2026-11-23T09:15:00")
        assert "wsk_sandbox" not in str(ticket)
        assert (await desk.fetch(ticket["download_url"])).status_code == 404
        assert (await desk.put(ticket, CONTENT)).status_code == 200
        assert (await desk.put(ticket, CONTENT)).status_code == 412
        part = await desk.fetch(ticket["download_url"], Range="bytes=4-")
        assert (part.status_code, part.content) == (206, b"seconds")


async def test_a_put_that_is_not_what_the_ticket_says_is_refused():
    async with open_desk(options()) as desk:
        ticket = (await desk.ticket(len(CONTENT))).json()["data"]
        assert (await desk.put(ticket, b"short")).status_code == 400
        wrong_type = await desk.put(ticket, CONTENT, **{"Content-Type": "text/plain"})
        assert wrong_type.status_code == 403
        forged = ticket | {"upload": ticket["upload"] | {"url": ticket["upload"]["url"][:-4]}}
        assert (await desk.put(forged, CONTENT)).status_code == 403
        desk.clock.advance(900)
        assert (await desk.put(ticket, CONTENT)).status_code == 403
        assert (await desk.fetch(ticket["download_url"])).status_code == 404


async def test_a_key_sent_to_the_storage_is_refused_and_counted():
    async with open_desk(options()) as desk:
        ticket = (await desk.ticket(len(CONTENT))).json()["data"]
        leaked = await desk.put(ticket, CONTENT, Authorization="Bearer wsk_sandbox")
        assert leaked.status_code == 403
        assert (await desk.audit())["key_leaks"] == 1
        assert (await desk.put(ticket, CONTENT)).status_code == 200
        await desk.fetch(ticket["download_url"], **{"X-API-Key": "wsk_sandbox"})
        await desk.client.get("/api/v3/balance?key=wsk_sandbox")
        await desk.submit("https://v.example/a.mp4?key=wsk_sandbox")
        assert (await desk.audit())["key_leaks"] == 4


async def test_a_file_that_is_too_large_gets_no_ticket():
    async with open_desk(options(max_upload_bytes=10)) as desk:
        assert (await desk.ticket(11)).status_code == 413
        assert (await desk.ticket(10)).status_code == 200


async def test_storage_may_have_an_origin_of_its_own():
    async with open_desk(options(storage_origin="http://storage.test/")) as desk:
        ticket = (await desk.ticket(len(CONTENT))).json()["data"]
        assert ticket["download_url"].startswith("http://storage.test/storage/media/")
        assert (await desk.put(ticket, CONTENT)).status_code == 200
        assert (await desk.fetch(ticket["download_url"])).content == CONTENT


def test_a_canned_sandbox_opens_no_files():
    with pytest.raises(SettingsError):
        options(allow_files=True)


async def test_an_upload_streamed_without_its_length_is_refused():
    async def pieces():
        yield CONTENT

    async with open_desk(options()) as desk:
        ticket = (await desk.ticket(len(CONTENT))).json()["data"]
        assert (await desk.put(ticket, pieces())).status_code == 411
        assert isinstance(ticket, dict)
        assert httpx.URL(ticket["upload"]["url"]).host == "sandbox.test"
