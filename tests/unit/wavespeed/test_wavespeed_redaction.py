import logging
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.foundation.redaction import guard_http_logs, redact, remember_secret

WORD = st.text(string.ascii_letters + string.digits, min_size=1, max_size=12)
SECRET = st.text(string.ascii_letters + string.digits + "_-", min_size=20, max_size=60)
#: Everything that may stand unescaped in a query or fragment, and some that may not but does.
LOOSE = st.text(string.ascii_letters + string.digits + "-._~!$&'()*+,;=:@/?%[]|^`{}", max_size=30)
AROUND = st.sampled_from(["", " ", "\n", '"', "<", "(", "url=", "'", "GET "])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://h/a.mp4?X-Amz-Signature=5ec2e7", "https://h/a.mp4?***"),
        ("https://h/a.mp4#5ec2e7", "https://h/a.mp4#***"),
        ("https://h?5ec2e7", "https://h?***"),
        ("https://eve:5ec2e7@h/a", "https://h/a"),
        ("https://5ec2e7@h:8/a", "https://h:8/a"),
        ("postgresql+psycopg://eve:5ec2e7@db/reelcat", "postgresql+psycopg://db/reelcat"),
        (r"https:\/\/h\/a.mp4?sig=5ec2e7", r"https:\/\/h\/a.mp4?***"),
        ("HTTPS://H/A?5ec2e7", "HTTPS://H/A?***"),
        ("Authorization: Bearer 5ec2e7", "Authorization: Bearer ***"),
        ("authorization: basic 5ec2e7", "authorization: basic ***"),
        ("{'authorization': 'bearer 5ec2e7'}", "{'authorization': 'bearer ***'}"),
        ("X-Api-Key: 5ec2e7", "X-Api-Key: ***"),
        ("/bucket/a.mp4?X-Amz-Signature=5ec2e7", "/bucket/a.mp4?X-Amz-Signature=***"),
        ("the key wsk_5ec2e7 is bad", "the key *** is bad"),
        ("s3://bucket/what?.mp4", "s3://bucket/what?.mp4"),
        ("file:///videos/take#2.mp4", "file:///videos/take#2.mp4"),
        ("no secret here: 3 of 4 at 12:30", "no secret here: 3 of 4 at 12:30"),
        ("https://h/a.mp4 is fine", "https://h/a.mp4 is fine"),
        ("", ""),
    ],
)
def test_secrets_are_masked_and_the_rest_is_left(text, shown):
    assert redact(text) == shown


@given(
    secret=SECRET,
    host=WORD,
    path=WORD,
    before=LOOSE,
    after=LOOSE,
    left=AROUND,
    right=AROUND,
    mark=st.sampled_from("?#"),
)
def test_nothing_behind_the_path_of_a_url_is_shown(
    *, secret, host, path, before, after, left, right, mark
):
    text = f"{left}https://{host}/{path}{mark}{before}{secret}{after}{right}"
    assert secret not in redact(text)


@given(SECRET, WORD, AROUND)
def test_no_password_in_a_url_is_shown(secret, word, around):
    assert secret not in redact(f"{around}postgresql://{word}:{secret}@{word}/{word}")


@given(SECRET, AROUND)
def test_no_bearer_token_is_shown(secret, around):
    assert secret not in redact(f"{around}Bearer {secret}{around}")


@given(SECRET, st.text(max_size=20), st.text(max_size=20))
def test_a_known_secret_is_shown_nowhere(secret, before, after):
    remember_secret(secret)
    assert secret not in redact(before + secret + after)


@given(st.text(max_size=60) | LOOSE.map("see https://h/p?{}".format))
def test_redacting_twice_changes_nothing_more(text):
    assert redact(redact(text)) == redact(text)


def test_the_http_library_logs_no_signature(caplog):
    guard_http_logs()
    with caplog.at_level(logging.DEBUG):
        for name in ("httpx", "httpcore.http11"):
            logging.getLogger(name).info("PUT %s", "https://h/a.mp4?X-Amz-Signature=5ec2e7")
    assert len(caplog.records) == 2
    assert "5ec2e7" not in caplog.text


@pytest.mark.parametrize(
    "password", ["p@hunter2", "p/hunter2", "p#hunter2", "p?hunter2", "p:@/hunter2"]
)
@pytest.mark.parametrize("scheme", ["http", "https", "postgresql", "socks5"])
def test_a_password_that_was_not_quoted_is_hidden_all_the_same(scheme, password):
    shown = redact(f"asking {scheme}://me:{password}@host.example:80/a failed")
    assert "hunter2" not in shown
    assert f"asking {scheme}://" in shown
    assert shown.endswith(" failed")


@pytest.mark.parametrize(
    "address",
    ["https://host.example/@me/a.mp4", "http://127.0.0.1:80/a@b.mp4", "s3://films/a:b@c.mp4"],
)
def test_a_sign_in_a_path_is_no_password(address):
    assert redact(address) == address
