"""What may be shown of a text that might hold a secret.

Owns the one rule for logs, errors and records: no API key, no `Authorization` value, no password in
a URL, and nothing of an http(s) URL behind its path, because that is where signatures are. It takes
too much rather than too little.
"""

from __future__ import annotations

import logging
import re

MASK = "***"

#: Shorter strings would mask ordinary words; no provider hands out keys that short.
_SHORTEST_SECRET = 6

_URL = re.compile(
    r"(?P<scheme>\b[a-z][a-z0-9+.-]*:(?:\\?/){2})"
    # A password with a / or # that should have been written %2F or %23: nobody knows where it ends.
    r"(?:(?P<odd>(?!\[)[^\s\"<>/?#:@]*:(?!\d+[/?#])[^\s\"<>]*[/?#][^\s\"<>]*@[^\s\"<>]*)|"
    r"(?:[^\s\"<>/?#]*@)?"
    r"(?P<path>[^\s\"<>?#]*)"
    r"(?P<rest>[?#][^\s\"<>]*)?)",
    re.IGNORECASE,
)
#: In these a `?` or `#` is part of a name that people gave, and nothing is signed.
_UNSIGNED = ("s3:", "file:")
_AUTHORIZATION = re.compile(
    r"\b(?P<scheme>bearer|authorization[\"']?\s*[=:]\s*[\"']?basic|AWS4-HMAC-SHA256)"
    r"(?P<gap>\s+|%20|\+)[^\s\"',;<>]+",
    re.IGNORECASE,
)
_PARAMETER = re.compile(
    r"(?P<name>\b(?:x-amz-(?:signature|credential|security-token)|x-api-key|api[_-]?key|signature"
    r"|authorization|awsaccesskeyid|access_token|token|sig)[\"']?\s*[=:]\s*[\"']?)"
    r"(?!(?:bearer|basic|aws4-hmac-sha256)\b)[^\s\"'&,;<>]+",
    re.IGNORECASE,
)
_KEY_LOOK = re.compile(r"\bwsk_[A-Za-z0-9_-]+")

_secrets: set[str] = set()


def remember_secret(value: str) -> None:
    """Have `redact` mask this very value from now on, wherever it turns up in this process."""
    if len(value) >= _SHORTEST_SECRET:
        _secrets.add(value)


def redact(text: str) -> str:
    """The text with every secret masked; doing it twice changes nothing more.

    >>> redact("PUT https://me:pw@store.example/a.mp4?X-Amz-Signature=0a1b failed")
    'PUT https://store.example/a.mp4?*** failed'
    >>> redact("Authorization: Bearer wsk_12345678")
    'Authorization: Bearer ***'
    """
    for secret in sorted(_secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    text = _URL.sub(_without_secrets, text)
    text = _AUTHORIZATION.sub(rf"\g<scheme>\g<gap>{MASK}", text)
    text = _PARAMETER.sub(rf"\g<name>{MASK}", text)
    return _KEY_LOOK.sub(MASK, text)


def _without_secrets(url: re.Match[str]) -> str:
    if url["odd"] is not None:
        return f"{url['scheme']}{MASK}"
    scheme, path, rest = url["scheme"], url["path"], url["rest"] or ""
    if rest and not scheme.lower().startswith(_UNSIGNED):
        rest = rest[0] + MASK
    return f"{scheme}{path}{rest}"


class RedactingFilter(logging.Filter):
    """Rewrites records in place, so that every handler behind it sees the redacted text."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, redacted."""
        record.msg = redact(record.getMessage())
        record.args = None
        return True


_FILTER = RedactingFilter()
#: httpx logs each URL whole at INFO; httpcore logs answer headers, `Location` among them, at DEBUG.
#: A logger's filter does not reach its children, so each is named.
_TALKATIVE = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy")


def guard_http_logs() -> None:
    """Redact what the HTTP library logs in this process; calling it again changes nothing."""
    for name in _TALKATIVE:
        logging.getLogger(name).addFilter(_FILTER)
