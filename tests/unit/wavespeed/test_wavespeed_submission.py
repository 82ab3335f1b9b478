import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.values import Accepted, RefusalKind, Refused, Uncertain
from tasks.wavespeed.outcomes import REFUSING_STATUSES, read_submit
from tasks.wavespeed.wire import Answer

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ID = "e6832d4abffb4d79bfbca19783fca133"
HTML = b"<html><body>Bad gateway</body></html>"


def enveloped(code=200, message="success", **more) -> bytes:
    return json.dumps({"code": code, "message": message, "data": None, **more}).encode()


def bare(**fields) -> bytes:
    """JSON of a gateway."""
    return json.dumps(fields).encode()


def submitted(status, body=b"", *, cut=None, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = Answer(status_code=status, headers=named, body=body, cut=cut)
    return read_submit(answer, now=NOW)


@pytest.mark.parametrize(
    "data",
    [
        {"id": ID, "status": "created", "outputs": []},
        {"id": ID},
        {"id": ID, "status": "failed", "error": "already over"},
        {"id": "pred_1-A", "outputs": None, "urls": "nonsense"},
        {"id": "abcd"},
        {"id": "x" * 128},
    ],
)
def test_code_200_with_an_id_is_accepted_whatever_else_it_says(data):
    assert submitted(200, enveloped(data=data)) == Accepted(provider_id=data["id"])


@pytest.mark.parametrize("status", [200, 201, 202])
def test_any_2xx_may_accept(status):
    assert submitted(status, enveloped(data={"id": ID})) == Accepted(provider_id=ID)


def test_a_whole_answer_counts_even_if_the_connection_ended_badly_behind_it():
    outcome = submitted(200, enveloped(data={"id": ID}), cut="ended early (ReadError)")
    assert outcome == Accepted(provider_id=ID)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, enveloped(400, 'field "task" must be one of general, summary'), RefusalKind.ITEM),
        (400, enveloped(400, 'field "text": insufficient, mind the balance'), RefusalKind.ITEM),
        (400, enveloped(1407, "insufficient credits"), RefusalKind.ACCOUNT),
        (400, enveloped(1407, ""), RefusalKind.ACCOUNT),
        (400, enveloped(402, "no"), RefusalKind.ACCOUNT),
        (400, enveloped(400, "Insufficient balance, please top up"), RefusalKind.ACCOUNT),
        (400, enveloped(400, "please top-up your account"), RefusalKind.ACCOUNT),
        (402, enveloped(402, "payment required"), RefusalKind.ACCOUNT),
        (401, enveloped(401, "invalid key"), RefusalKind.ACCOUNT),
        (403, enveloped(403, "role", error_code="PERMISSION_DENIED"), RefusalKind.ACCOUNT),
        (403, enveloped(403, "insufficient credits"), RefusalKind.ACCOUNT),
        (404, enveloped(404, "model not found"), RefusalKind.ACCOUNT),
        (429, enveloped(429, "too many requests"), RefusalKind.PACE),
        (429, enveloped(429, "insufficient capacity"), RefusalKind.PACE),
        (503, enveloped(503, "the load balance is poor"), RefusalKind.PACE),
    ],
)
def test_a_refusing_status_is_a_refusal_of_its_kind(status, body, kind):
    outcome = submitted(status, body)
    assert isinstance(outcome, Refused)
    assert (outcome.kind, outcome.status_code) == (kind, status)


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (400, 'field "video" is required', RefusalKind.ITEM),
        (401, "invalid key", RefusalKind.ACCOUNT),
        (402, "payment required", RefusalKind.ACCOUNT),
        (403, "not allowed", RefusalKind.ACCOUNT),
        (404, "model not found", RefusalKind.ACCOUNT),
        (413, "too large", RefusalKind.ITEM),
        (429, "slow down", RefusalKind.PACE),
        (1407, "insufficient credits", RefusalKind.ACCOUNT),
    ],
)
@pytest.mark.parametrize("data", [{"data": None}, {"data": {}}, {"data": []}])
def test_http_200_whose_envelope_refuses_without_data_is_a_refusal(code, message, kind, data):
    outcome = submitted(200, enveloped(code, message, **data))
    assert isinstance(outcome, Refused)
    assert outcome.kind is kind


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, HTML),
        (200, enveloped(data={"id": ID})[:-20]),
        (200, b"null"),
        (200, b"[]"),
        (200, b"\xff\xfe"),
        (200, b"[" * 100_000),
        (200, enveloped()),
        (200, enveloped(data=None)),
        (200, enveloped(data=[{"id": ID}])),
        (200, enveloped(data={})),
        (200, enveloped(data={"id": ""})),
        (200, enveloped(data={"id": "abc"})),
        (200, enveloped(data={"id": "x" * 129})),
        (200, enveloped(data={"id": "a/../b"})),
        (200, enveloped(data={"id": ID + "\n"})),
        (200, enveloped(data={"id": 12345678})),
        (200, json.dumps({"id": ID, "status": "created"}).encode()),
        (200, enveloped(0, data={"id": ID})),
        (200, enveloped(500, "internal")),
        (200, enveloped(503, "unavailable")),
        (200, enveloped(5003, "unavailable")),
        (200, enveloped(1407, "meaning unknown")),
        (200, enveloped(401, "invalid key", data={"id": ID})),
        (200, enveloped(None, "no code", data={"id": ID})),
        (204, b""),
        (301, b""),
        (303, b""),
        (307, b""),
        (308, b""),
        (405, HTML),
        (408, b""),
        (409, enveloped(409, "conflict")),
        (422, enveloped(422, "unprocessable")),
        (499, b""),
        (500, enveloped(500, "insufficient balance")),
        (502, HTML),
        (504, HTML),
        (520, HTML),
        (400, enveloped(400, "no", data={"id": ID})),
        (429, enveloped(429, "no", data={"id": ID})),
    ],
)
def test_everything_that_proves_neither_is_uncertain(status, body):
    assert isinstance(submitted(status, body), Uncertain)


def test_half_a_body_under_200_is_uncertain_and_says_how_it_ended():
    outcome = submitted(200, b'{"code":200,"da', cut="ended early (ReadTimeout)")
    assert isinstance(outcome, Uncertain)
    assert "ReadTimeout" in outcome.reason


def test_half_a_body_under_a_refusing_status_proves_no_refusal():
    outcome = submitted(400, b'{"code":400,"mes', cut="ended early (ReadError)")
    assert isinstance(outcome, Uncertain)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        HTML,
        b"null",
        b'"Service Unavailable"',
        b"[]",
        b"\xff",
        enveloped(429, "no")[:-3],
        bare(message="Service Unavailable"),
        bare(message="Forbidden", error_code="PERMISSION_DENIED"),
        bare(code=503),
        bare(code=503, message="no healthy upstream"),
        bare(code=14, message="upstream connect error", details=[]),
        bare(code="429", message="throttled", requestId="1"),
        bare(error={"code": 503, "message": "unavailable"}),
        bare(fault={"faultstring": "Spike arrest"}, data=None),
        bare(code=429, data=None),
        bare(code=429, message=None, data=None),
        bare(message="too many requests", data=None),
        enveloped(200, "success"),
        enveloped(0, ""),
        enveloped(5003, "unavailable"),
        enveloped(500, "internal server error"),
        enveloped(429, "no", data={"id": ID}),
        enveloped(429, "no", data={"id": "x"}),
        enveloped(429, "no", data={"status": "created"}),
        enveloped(429, "no", data=[{"id": ID}]),
    ],
)
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RefusalKind.PACE),  # it asks to be asked again, so it is not about the video
        (401, RefusalKind.ACCOUNT),
        (402, RefusalKind.ACCOUNT),
        (403, RefusalKind.ACCOUNT),
        (404, RefusalKind.ACCOUNT),
        (413, RefusalKind.PACE),
        (429, RefusalKind.PACE),
        (503, RefusalKind.PACE),
    ],
)
def test_a_refusal_that_is_not_the_providers_own_is_uncertain_and_says_its_kind(status, kind, body):
    outcome = submitted(status, body, retry_after="7")
    assert isinstance(outcome, Uncertain)
    assert (outcome.kind, outcome.status_code) == (kind, status)
    assert outcome.retry_after_seconds == (7.0 if kind is RefusalKind.PACE else None)
    assert "not in the provider's own form" in outcome.reason


@pytest.mark.parametrize("code", [400, 401, 403, 429, 1407])
def test_http_200_with_another_ones_refusal_is_uncertain_and_says_its_kind(code):
    outcome = submitted(200, bare(code=code, message="insufficient credits"))
    assert isinstance(outcome, Uncertain)
    assert outcome.kind is not None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("0", 0.0),
        ("86400", 300.0),
        ("Mon, 23 Nov 2026 12:00:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0.0),
        ("Tue, 24 Nov 2026 12:00:00 GMT", 300.0),
        ("-3", None),
        ("nan", None),
        ("soon", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_read_as_seconds_or_date_and_capped(status, value, seconds):
    outcome = submitted(status, enveloped(status, "later"), retry_after=value)
    assert isinstance(outcome, Refused)
    assert outcome.retry_after_seconds == seconds


def test_a_refusal_that_waiting_does_not_help_has_no_retry_after():
    outcome = submitted(401, enveloped(401, "no"), retry_after="7")
    assert isinstance(outcome, Refused)
    assert outcome.retry_after_seconds is None


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("please try again later", RefusalKind.PACE),
        ("The model is temporarily unavailable", RefusalKind.PACE),
        ("server is busy", RefusalKind.PACE),
        ("Request timed out", RefusalKind.PACE),
        ("upload link has expired", RefusalKind.PACE),
        ("failed to download the video", RefusalKind.PLACE),
        ("invalid video: could not fetch url, access denied", RefusalKind.PLACE),
        ("Bad Request", RefusalKind.PLACE),
        ("", RefusalKind.PLACE),
        ('field "task" must be one of general, summary', RefusalKind.ITEM),
        ("unsupported video format", RefusalKind.ITEM),
        ("video is too long", RefusalKind.ITEM),
        ("content moderation refused it", RefusalKind.ITEM),
    ],
)
def test_only_what_is_about_the_video_is_refused_for_good(message, kind):
    outcome = submitted(400, enveloped(400, message))
    assert isinstance(outcome, Refused)
    assert outcome.kind is kind


def test_a_bad_request_that_names_a_time_to_come_back_is_about_the_pace():
    outcome = submitted(400, enveloped(400, 'field "video"'), retry_after="7")
    assert isinstance(outcome, Refused)
    assert (outcome.kind, outcome.retry_after_seconds) == (RefusalKind.PACE, 7)


def test_what_the_provider_echoes_is_redacted_and_shortened():
    url = "https://bucket.example/a.mp4?X-Amz-Signature=0123456789abcdef"
    outcome = submitted(400, enveloped(400, f"cannot read {url}\n" + "long " * 1000))
    assert "0123456789abcdef" not in outcome.reason
    assert len(outcome.reason) < 500
    assert "\n" not in outcome.reason


def test_an_account_refusal_says_what_to_do():
    assert "WAVESPEED_API_KEY" in submitted(401).reason
    assert "Top it up" in submitted(402).reason
    assert "WAVESPEED_BASE_URL" in submitted(404).reason


@given(
    status=st.integers(100, 599),
    body=st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["code", "message", "data", "id"]), inner)
            ),
            max_leaves=8,
        ).map(lambda value: json.dumps(value).encode()),
    ),
)
def test_only_a_refusal_frees_money_and_only_an_id_accepts(status, body):
    outcome = submitted(status, body)
    match outcome:
        case Accepted(provider_id=provider_id):
            assert provider_id.encode() in body
        case Refused():
            assert status in REFUSING_STATUSES or 200 <= status < 300
            assert {"code", "message", "data"} <= json.loads(body).keys()
        case Uncertain():
            assert outcome.reason
