import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import AccountStopped
from catalog.values import Completed, Failed, Gone, Pending
from tasks.wavespeed.outcomes import AnswerElsewhere, read_poll
from tasks.wavespeed.wire import Answer

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ID = "e6832d4abffb4d79bfbca19783fca133"
HTML = b"<html><body>Bad gateway</body></html>"


def enveloped(code=200, message="success", **more) -> bytes:
    return json.dumps({"code": code, "message": message, **more}).encode()


def polled(status, body=b"", *, cut=None, headers=None):
    answer = Answer(status_code=status, headers=headers or {}, body=body, cut=cut)
    return read_poll(answer, provider_id=ID, now=NOW)


def told(**data):
    return polled(200, enveloped(data={"id": ID, **data}))


@pytest.mark.parametrize("status", ["created", "processing", "pending", "queued", "Processing "])
def test_what_goes_on_is_pending_without_trouble(status):
    assert told(status=status, outputs=[]) == Pending()


def test_a_sync_timeout_on_a_processing_prediction_goes_on():
    assert told(status="processing", code=5004, error="Sync mode timed out") == Pending()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, HTML),
        (200, enveloped(data={"id": ID, "status": "completed"})[:-9]),
        (200, enveloped(5003, "unavailable")),
        (200, enveloped(429, "slow down")),
        (200, enveloped(data=None)),
        (200, enveloped()),
        (200, enveloped(data=[])),
        (200, enveloped(data={})),
        (200, enveloped(data={"id": ID, "status": "levitating"})),
        (200, enveloped(data={"id": ID, "status": None})),
        (200, enveloped(data={"id": "another1", "status": "completed", "outputs": ["text"]})),
        (302, b""),
        (400, HTML),
        (402, b""),
        (403, HTML),
        (408, b""),
        (429, b""),
        (500, enveloped(500, "oops")),
        (502, HTML),
        (503, HTML),
        (504, HTML),
    ],
)
def test_a_poll_without_a_usable_answer_is_pending_with_trouble(status, body):
    outcome = polled(status, body)
    assert isinstance(outcome, Pending)
    assert outcome.trouble


def test_a_troubled_poll_passes_on_what_the_provider_asks_for():
    outcome = polled(429, headers={"retry-after": "12"})
    assert isinstance(outcome, Pending)
    assert outcome.retry_after_seconds == 12.0


@pytest.mark.parametrize(
    ("status", "body"), [(404, enveloped(404, "not found")), (404, HTML), (200, enveloped(404))]
)
def test_404_is_gone(status, body):
    assert polled(status, body) == Gone()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, enveloped(401, "invalid key")),
        (401, HTML),
        (403, enveloped(403, "role")),
        (200, enveloped(401, "invalid key")),
        (200, enveloped(403, "role")),
    ],
)
def test_a_refused_key_stops_the_account(status, body):
    with pytest.raises(AccountStopped):
        polled(status, body)


@pytest.mark.parametrize(
    ("outputs", "text"),
    [
        (["A dog runs."], "A dog runs."),
        ("A dog runs.", "A dog runs."),
        (["  A dog runs.\n"], "A dog runs."),
        (["A dog.", "", None, "A cat."], "A dog.\n\nA cat."),
        ({"text": "A dog."}, "A dog."),
        ([{"text": "A dog."}], "A dog."),
        ([{"output": {"text": ["A dog."]}}], "A dog."),
        ([{"text": "", "output": "A dog."}], "A dog."),
        ([9], "9"),
        ([{"score": 0.5}], '{"score": 0.5}'),
        (["see https://host/a"], "see https://host/a"),
        (["https://host/a", "A dog."], "https://host/a\n\nA dog."),
        (["Žluťoučký kůň 🐎"], "Žluťoučký kůň 🐎"),
        (["half \ud83d a pair, and \x00"], "half ? a pair, and \ufffd"),
        (['```json\n{"a": 1}\n```'], '```json\n{"a": 1}\n```'),
    ],
)
def test_the_text_of_a_completed_prediction_is_found_in_every_shape(outputs, text):
    outcome = told(status="completed", outputs=outputs)
    assert isinstance(outcome, Completed)
    assert outcome.text == text


def test_the_outputs_are_kept_as_they_came():
    outcome = told(status="completed", outputs=[{"text": "Ein Hund läuft.", "score": 0.25}])
    assert isinstance(outcome, Completed)
    assert json.loads(outcome.raw) == [{"text": "Ein Hund läuft.", "score": 0.25}]
    assert "läuft" in outcome.raw


def test_an_answer_under_the_singular_name_is_found_too():
    outcome = told(status="completed", output="A dog.")
    assert isinstance(outcome, Completed)


@pytest.mark.parametrize(
    "outputs",
    [
        ["https://host/a.txt"],
        " https://host/a.txt\n",
        [{"url": "https://host/a.txt"}],
        ["https://host/a.txt", ""],
    ],
)
def test_a_lone_url_has_to_be_looked_behind(outputs):
    assert told(status="completed", outputs=outputs) == AnswerElsewhere(url="https://host/a.txt")


@pytest.mark.parametrize(
    "outputs", [None, [], [None], "", [""], ["  \n\t"], {}, [{}], {"text": ""}, [[[]]]]
)
def test_completed_without_text_fails_for_good(outputs):
    outcome = told(status="completed", outputs=outputs)
    assert isinstance(outcome, Failed)
    assert not outcome.retryable
    assert "without any text" in outcome.reason


@pytest.mark.parametrize(
    ("code", "retryable"),
    [
        (1200, False),
        (1400, False),
        (1401, False),
        (1402, True),
        (1403, True),
        (1405, True),
        (1406, False),
        (1407, False),
        (5000, True),
        (5003, True),
        (5004, True),
        (5999, False),
    ],
)
def test_a_failure_is_retried_by_its_code(code, retryable):
    outcome = told(status="failed", code=code, error="it went wrong")
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.retryable) == (code, retryable)
    assert "it went wrong" in outcome.reason


@pytest.mark.parametrize("code", [0, None, "odd", {}])
def test_a_failure_without_a_code_is_not_retried(code):
    outcome = told(status="failed", code=code, error="it went wrong")
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.retryable) == (None, False)


@pytest.mark.parametrize(
    ("status", "retryable"), [("cancelled", False), ("deleted", False), ("timeout", True)]
)
def test_other_ends_are_failures(status, retryable):
    outcome = told(status=status, outputs=[])
    assert isinstance(outcome, Failed)
    assert outcome.retryable is retryable
    assert status in outcome.reason


def test_the_failure_does_not_show_the_signed_address_it_quotes():
    outcome = told(
        status="failed", code=1402, error="Failed to download https://h/a.mp4?sig=5ec2e7"
    )
    assert isinstance(outcome, Failed)
    assert "5ec2e7" not in outcome.reason


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["text", "output", "url", "other"]), inner)
        ),
        max_leaves=12,
    )
)
def test_no_outputs_are_too_odd_to_be_read(outputs):
    outcome = told(status="completed", outputs=outputs)
    assert isinstance(outcome, Completed | Failed | AnswerElsewhere)
    if isinstance(outcome, Completed):
        assert outcome.text.strip()
        outcome.text.encode()
        json.loads(outcome.raw)


@given(st.binary(max_size=300))
def test_no_body_is_too_odd_to_be_read(body):
    assert isinstance(polled(200, body), Pending)
