"""Upload tickets: where the provider lets a file be brought, and with which headers.

A ticket makes this machine send a film to an address that others chose, so it is judged before: no
internal host, no plain HTTP where the API is not plain itself, no password, and no header that
would speak for somebody or change what is sent.
"""

from __future__ import annotations

import re

import httpx

from catalog.values import RefusalKind, UploadTicket
from tasks.checked_connections import HostRefused, require_allowed
from tasks.untrusted_hosts import HostRule
from tasks.wavespeed.envelope import Envelope, read_time
from tasks.wavespeed.errors import UploadRefused

_URL = re.compile(r"https?://[^\s/]+\S*", re.IGNORECASE)
_MOST_URL = 8192
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]{0,4096}")
_MOST_HEADERS = 64
#: Of the connection and not of the file, or of who speaks and how: never a ticket's to say.
_FORBIDDEN = frozenset(
    {
        *("connection", "keep-alive", "host", "te", "trailer", "transfer-encoding", "upgrade"),
        *("expect", "http2-settings", "accept-encoding", "content-range"),
        *("cookie", "cookie2", "set-cookie", "x-api-key", "api-key", "x-auth-token", "forwarded"),
        *("x-http-method", "x-http-method-override", "x-method-override", "via", "origin"),
    }
)
_FORBIDDEN_BEGINNINGS = ("proxy-", "sec-", "x-forwarded-", "www-authenticate")
_FORBIDDEN_PARTS = ("authorization", "authentication")


def read_ticket(envelope: Envelope, *, size: int, base: str, rule: HostRule) -> UploadTicket:
    """The ticket for a file of `size` bytes, from the API at `base`.

    Raises `UploadRefused` when the answer holds none that may be used.
    """
    data = envelope.data
    upload = data.get("upload") if isinstance(data, dict) else None
    if not isinstance(upload, dict) or str(upload.get("method") or "PUT").upper() != "PUT":
        raise _refused("makes no sense")
    put_url, download_url = _url(upload.get("url")), _url(data.get("download_url"))
    headers = upload.get("headers") or {}
    if put_url is None or download_url is None or not isinstance(headers, dict):
        raise _refused("makes no sense")
    for url in (put_url, download_url):
        try:
            require_allowed(url, rule)
        except HostRefused as error:
            raise _refused(f"was not used: {error}") from None
        if base.startswith("https:") and url.scheme != "https":
            raise _refused("was not used: the address is not encrypted, and the API's is")
    return UploadTicket(
        put_url=upload["url"],
        headers=_sendable(headers, size),
        download_url=data["download_url"],
        expires_at=read_time(upload.get("expires_at")),
    )


def _sendable(headers: dict[str, object], size: int) -> dict[str, str]:
    """The headers as they are sent; the length, which is known here, is left out."""
    kept: dict[str, str] = {}
    for name, value in headers.items():
        if (
            not isinstance(value, str)
            or not _HEADER_NAME.fullmatch(name)
            or not _HEADER_VALUE.fullmatch(value)
        ):
            raise _refused("makes no sense")
        spelled = name.lower()
        if spelled == "content-length" and value.strip() == str(size):
            continue
        if spelled == "content-length" or _is_forbidden(spelled):
            raise _refused(f"was not used: it wants the header {name} to be sent")
        kept[name] = value
    if len({name.lower() for name in kept}) != len(kept) or len(kept) > _MOST_HEADERS:
        raise _refused("makes no sense")
    return kept


def _is_forbidden(name: str) -> bool:
    return (
        name in _FORBIDDEN
        or name.startswith(_FORBIDDEN_BEGINNINGS)
        or any(part in name for part in _FORBIDDEN_PARTS)
    )


def _url(value: object) -> httpx.URL | None:
    if not isinstance(value, str) or len(value) > _MOST_URL or not _URL.fullmatch(value):
        return None
    try:
        return httpx.URL(value)
    except httpx.InvalidURL:
        return None


def _refused(what: str) -> UploadRefused:
    return UploadRefused(f"its ticket {what}. Try again later.", kind=RefusalKind.PACE)
