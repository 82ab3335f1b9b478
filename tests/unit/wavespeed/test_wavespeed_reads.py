import json
from datetime import UTC, datetime

import pytest

from catalog.errors import AccountStopped
from tasks.wavespeed.errors import EndpointAbsent, RequestRejected, Troubled
from tasks.wavespeed.outcomes import open_envelope
from tasks.wavespeed.wire import Answer

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HTML = b"<html><body>Oh</body></html>"


def enveloped(code=200, message="success", **more) -> bytes:
    return json.dumps({"code": code, "message": message, **more}).encode()


def opened(status, body=b"", headers=None):
    return open_envelope(Answer(status_code=status, headers=headers or {}, body=body), now=NOW)


@pytest.mark.parametrize("body", [enveloped(data={"a": 1}), b'{"data": {"a": 1}}'])
def test_an_answer_is_opened(body):
    assert opened(200, body).data == {"a": 1}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, HTML, AccountStopped),
        (402, HTML, AccountStopped),
        (403, enveloped(403, "role"), AccountStopped),
        (400, enveloped(400, "insufficient credits"), AccountStopped),
        (200, enveloped(401, "invalid key"), AccountStopped),
        (200, enveloped(402, "no credit"), AccountStopped),
        (404, HTML, EndpointAbsent),
        (405, b"", EndpointAbsent),
        (501, b"", EndpointAbsent),
        (200, enveloped(404, "no such thing"), EndpointAbsent),
        (301, b"", RequestRejected),
        (308, b"", RequestRejected),
        (400, enveloped(400, "bad page"), RequestRejected),
        (413, b"", RequestRejected),
        (422, b"", RequestRejected),
        (200, enveloped(400, "bad page"), RequestRejected),
        (200, enveloped(1401, "bad parameter"), RequestRejected),
        (403, HTML, Troubled),
        (408, b"", Troubled),
        (425, b"", Troubled),
        (429, enveloped(429, "slow down"), Troubled),
        (500, enveloped(500, "oops"), Troubled),
        (502, HTML, Troubled),
        (503, HTML, Troubled),
        (504, HTML, Troubled),
        (200, HTML, Troubled),
        (200, b"", Troubled),
        (200, enveloped(data={"a": 1})[:-3], Troubled),
        (200, enveloped(5003, "unavailable"), Troubled),
        (200, b'{"detail": "odd"}', Troubled),
        (200, enveloped(data=None), Troubled),
    ],
)
def test_what_is_no_answer_is_sorted_by_what_helps(status, body, expected):
    with pytest.raises(expected):
        opened(status, body)


def test_trouble_passes_on_what_the_provider_asks_for():
    with pytest.raises(Troubled) as caught:
        opened(429, headers={"retry-after": "9"})
    assert caught.value.retry_after_seconds == 9.0


def test_a_redirecting_base_url_says_which_setting_to_change():
    with pytest.raises(RequestRejected, match="WAVESPEED_BASE_URL"):
        opened(308, headers={"location": "https://elsewhere.example/"})
