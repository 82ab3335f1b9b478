"""What video addresses say: which video they mean, and which length a canned one claims."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

#: Query keys that sign an address or tell submissions apart, and so do not say which video it is.
_TOKENS = frozenset(
    {
        "awsaccesskeyid",
        "expires",
        "key-pair-id",
        "policy",
        "reelcat",
        "sig",
        "signature",
        "token",
        "x-reelcat",
    }
)
_TOKEN_PREFIXES = ("x-amz-", "x-goog-")


def _without_tokens(pairs: str) -> str:
    if not pairs:
        return ""
    kept = [
        (key, value)
        for key, value in parse_qsl(pairs, keep_blank_values=True)
        if key.lower() not in _TOKENS and not key.lower().startswith(_TOKEN_PREFIXES)
    ]
    return urlencode(kept)


def identity(url: str) -> str:
    """Give `url` without what signs it or tells submissions apart.

    >>> identity("https://h/a.mp4?X-Amz-Signature=1&v=2#reelcat=7")
    'https://h/a.mp4?v=2'
    """
    parts = urlsplit(url)
    # An account in the address is a secret as well.
    host = parts.netloc.rpartition("@")[2]
    query, fragment = _without_tokens(parts.query), _without_tokens(parts.fragment)
    return parts._replace(netloc=host, query=query, fragment=fragment).geturl()


def claimed_seconds(url: str) -> Decimal | None:
    """Read the length that a canned address claims; None if it claims none.

    >>> claimed_seconds("https://h/a.mp4#d=7.5&reelcat=1"), claimed_seconds("https://h/a.mp4")
    (Decimal('7.5'), None)
    """
    parts = urlsplit(url)
    for pairs in (parts.fragment, parts.query):
        claims = parse_qs(pairs).get("d", []) if "d=" in pairs else []
        for claim in claims:
            try:
                seconds = Decimal(claim)
            except InvalidOperation:
                continue
            if seconds.is_finite() and seconds > 0:
                return seconds
    return None
