"""URIs of places where a file may lie, and how to show them to people.

`file://` URIs are percent-encoded from the exact bytes of the path; `s3://bucket/` is followed by
the raw key; `http(s)://` stays as it was written. Pure text: nothing here looks at a disk.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import parse_qsl, quote_from_bytes, unquote_to_bytes, urlsplit

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")

#: What a web address may hold besides letters and digits without being quoted once more.
_URL_CHARACTERS = "%/:=&?~#+!$,;'@()*[]"

#: Query parameters that make an address a secret: whoever has it may read the file.
_SIGNATURES = frozenset(
    {"signature", "sig", "x-amz-signature", "x-goog-signature", "x-amz-security-token", "hmac"}
    | {"token", "access_token", "auth", "apikey", "api_key", "password"}
)


def scheme_of(text: str) -> str | None:
    """Return the lower-case scheme of `scheme://…`, or None for a plain path.

    >>> scheme_of("S3://bucket/a"), scheme_of("a/b.mp4")
    ('s3', None)
    """
    match = _SCHEME.match(text)
    return match[1].lower() if match else None


def file_uri(path: str | os.PathLike[str]) -> str:
    """Return the `file://` URI of an absolute path, as `Path.as_uri` does.

    >>> file_uri("/films/a b.mp4")
    'file:///films/a%20b.mp4'
    """
    return "file://" + quote_from_bytes(os.fsencode(path))


def path_of(uri: str) -> Path:
    """Return the exact path that a `file://` URI names, undecodable bytes included."""
    encoded = uri[len("file://") :]
    if not encoded.startswith("/"):  # file://localhost/…
        encoded = encoded[encoded.find("/") :]
    return Path(os.fsdecode(unquote_to_bytes(encoded)))


def displayed(path: str | os.PathLike[str]) -> str:
    """Return a path as text that any database and terminal can hold; not to be opened again."""
    return os.fsencode(path).decode("utf-8", "replace")


def s3_uri(bucket: str, key: str) -> str:
    """Return `s3://bucket/` followed by the raw key."""
    return f"s3://{bucket}/{key}"


def split_s3(uri: str) -> tuple[str, str]:
    """Return bucket and raw key.

    >>> split_s3("s3://films/2009/a b?.mp4")
    ('films', '2009/a b?.mp4')
    """
    bucket, _, key = uri[len("s3://") :].partition("/")
    return bucket, key


def web_uri(text: str) -> str:
    """Return a web address with spaces and other scripts quoted, without its fragment.

    >>> web_uri("https://example.org/ü b.mp4?v=1#t=3")
    'https://example.org/%C3%BC%20b.mp4?v=1'
    """
    address = text.partition("#")[0].encode("utf-8", "surrogateescape")
    return quote_from_bytes(address, safe=_URL_CHARACTERS)


def holds_a_secret(web_address: str) -> bool:
    """Say whether a web address carries a password, a token or a signature.

    >>> holds_a_secret("https://example.org/a.mp4?X-Amz-Signature=c0ffee")
    True
    """
    parts = urlsplit(web_address)
    if "@" in parts.netloc:
        return True
    names = {name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    return not names.isdisjoint(_SIGNATURES)


def shown(uri: str) -> str:
    """Return a URI for people: paths readable, and never a password, token or signature.

    >>> shown("https://me:pw@example.org/a.mp4?sig=c0ffee")
    'https://example.org/a.mp4?…'
    """
    scheme = scheme_of(uri)
    if scheme == "file":
        return displayed(path_of(uri))
    if scheme in {"http", "https"}:
        address, mark, _ = uri.partition("#")[0].partition("?")
        head, separator, rest = address.partition("://")
        host, slash, path = rest.partition("/")
        host = host.rpartition("@")[2]
        return f"{head}{separator}{host}{slash}{path}{'?…' if mark else ''}"
    return uri
