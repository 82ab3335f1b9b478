"""The sandbox's books and knobs are for who has the key, and for no page of a browser."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

import pytest

from tasks.sandbox.options import Mode, SandboxOptions
from tasks.sandbox.server import running_sandbox

pytestmark = pytest.mark.anyio

KEY = "wsk_guarded"
PATHS = [
    ("GET", "/audit"),
    ("GET", "/audit/predictions"),
    ("GET", "/control/faults"),
    ("POST", "/control/faults"),
    ("POST", "/control/clock"),
    ("POST", "/control/balance"),
]


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
async def port():
    options = SandboxOptions(mode=Mode.CANNED, api_key=KEY, control=True)
    async with running_sandbox(options) as sandbox:
        yield urlsplit(sandbox.base_url).port


def status(port, method, path, **headers):
    """What a bare request is answered; nothing of httpx comes between."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    line.putrequest(method, path, skip_host=True)
    host = headers.pop("Host", f"127.0.0.1:{port}")
    for name, value in {"Host": host, "Content-Length": "2", **headers}.items():
        line.putheader(name.replace("_", "-"), value)
    line.endheaders(b"{}")
    answer = line.getresponse()
    answer.read()
    line.close()
    return answer.status


BEARER = {"Authorization": f"Bearer {KEY}"}


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_books_and_knobs_ask_for_the_key(port, method, path):
    assert status(port, method, path) == 401
    assert status(port, method, path, Authorization="Bearer wsk_other") == 401
    assert status(port, method, path, Authorization="Basic !!") == 401
    assert status(port, method, path, **BEARER) not in {401, 403}


@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.parametrize(
    "named",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:80"},
        {"Host": "localhost.evil.example"},
        {"Host": "192.168.1.5"},
        {"Host": ""},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
async def test_pages_of_other_origins_are_not_answered_even_with_the_key(port, method, path, named):
    assert status(port, method, path, **named, **BEARER) == 403


async def test_names_of_this_machine_are_answered(port):
    for host in (f"localhost:{port}", f"[::1]:{port}", "127.0.0.1", f"LOCALHOST.:{port}"):
        assert status(port, "GET", "/audit", Host=host, **BEARER) == 200
    own = {"Origin": f"http://localhost:{port}", "Host": f"localhost:{port}"}
    assert status(port, "GET", "/audit", **own, **BEARER) == 200
