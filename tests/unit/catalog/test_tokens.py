import string
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from catalog.matching import BadToken, token_of, with_token

TOKEN = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=64)
LOOSE = st.text(string.ascii_letters + string.digits + "-._~!$&'()*+,;=:@/?%", max_size=30)
PART = LOOSE | st.sampled_from(["reelcat=old", "a=1&reelcat=old", "x-reelcat=old&b=2", "reelcat="])
URL = st.builds(
    lambda path, query, fragment: f"https://host.example/{path}{query}{fragment}",
    LOOSE.map(lambda path: path.replace("?", "")),
    st.just("") | PART.map("?{}".format),
    st.just("") | PART.map("#{}".format),
)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://h/a.mp4", "https://h/a.mp4?reelcat=T"),
        ("https://h/a.mp4?", "https://h/a.mp4?reelcat=T"),
        ("https://h/a.mp4#t=5", "https://h/a.mp4?reelcat=T#t=5"),
        ("https://h/a.mp4?sig=1&b=2", "https://h/a.mp4?sig=1&b=2#reelcat=T"),
        ("https://h/a.mp4?sig=1#t=5", "https://h/a.mp4?sig=1#t=5&reelcat=T"),
        ("https://h/a.mp4?sig=1#reelcat=old", "https://h/a.mp4?sig=1#reelcat=T"),
        ("https://h/a.mp4#reelcat=old", "https://h/a.mp4?reelcat=T"),
    ],
)
def test_the_token_goes_where_it_breaks_nothing(url, expected):
    assert with_token(url, "T") == expected


@pytest.mark.parametrize(
    ("url", "token"),
    [
        ("https://h/a.mp4", None),
        ("https://h/a.mp4?x-reelcat=T&X-Amz-Signature=1", "T"),
        ("https://h/a.mp4?X-Amz-Signature=1&x-reelcat=T", "T"),
        ("https://h/a.mp4?sig=1#x-reelcat=T", "T"),
        ("https://h/a.mp4?notreelcat=T", None),
        ("https://h/a.mp4?reelcat=", None),
        ("https://h/a.mp4?reelcat=a.b", None),
        ("https://h/reelcat=T/a.mp4", None),
        ("", None),
    ],
)
def test_the_token_is_found_in_query_or_fragment(url, token):
    assert token_of(url) == token


@given(URL, TOKEN)
def test_the_token_that_was_put_in_is_the_one_that_is_found(url, token):
    assert token_of(with_token(url, token)) == token


@given(URL, TOKEN, TOKEN)
def test_two_submissions_never_have_the_same_address(url, one, other):
    assume(one != other)
    assert with_token(url, one) != with_token(url, other)


@given(URL, TOKEN)
def test_a_query_that_is_there_is_left_as_it_is(url, token):
    query = urlsplit(url).query
    assume(query)
    assert urlsplit(with_token(url, token)).query == query


@given(URL, TOKEN)
def test_the_server_is_still_asked_for_the_same_path(url, token):
    before, after = urlsplit(url), urlsplit(with_token(url, token))
    assert (after.scheme, after.netloc, after.path) == (before.scheme, before.netloc, before.path)
    assert set(parse_qsl(after.query)) >= set(parse_qsl(before.query))


@pytest.mark.parametrize("token", ["", "a b", "a&b", "a#b", "x" * 65, "ü", "a\n"])
def test_a_token_that_would_not_survive_is_refused(token):
    with pytest.raises(BadToken):
        with_token("https://h/a.mp4", token)
