"""Video addresses that can be told apart in the provider's history.

A submission whose answer was lost is found again by its video URL, so each one's URL carries a
token of its own. A query that is there already may be signed and is never touched: the token then
goes into the fragment.

A token also says what it was for: it holds a digest of the analysis's identity. So a catalog that
never sent it, such as one that was restored from a backup, can tell what was bought.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass

_NAME = "reelcat"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
#: `x-reelcat` is the same token inside a presigned S3 query, where it is signed with the rest.
_TOKEN_PARAMETER = re.compile(r"(?:^|&)(?:x-)?reelcat=([A-Za-z0-9_-]{1,64})(?=&|$)")

#: The version of `identity_digest` comes first: another one says nothing to us.
_OURS = re.compile(r"v1-([0-9a-f]{24})-[A-Za-z0-9_-]{1,36}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """What makes two analyses the same one, in whichever catalog they are."""

    content_id: str
    model: str
    task: str
    #: As `catalog.analyses.Wish.instructions_hash` says them.
    instructions_hash: str
    window: str


def identity_digest(identity: Identity) -> str:
    """Give 24 hex digits that stand for an analysis in each of its tokens.

    Whoever adds to the identity of an analysis gives the digest, and so the tokens, a new version.
    """
    parts = [
        identity.content_id,
        identity.model,
        identity.task,
        identity.instructions_hash,
        identity.window,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


def new_token(digest: str, unique: str) -> str:
    """Make the token of one prediction; no other one has `unique`, 1 to 36 of `A-Z a-z 0-9 _ -`.

    >>> new_token(24 * "a", 32 * "0")
    'v1-aaaaaaaaaaaaaaaaaaaaaaaa-00000000000000000000000000000000'
    """
    token = f"v1-{digest}-{unique}"
    if _OURS.fullmatch(token) is None:
        raise BadToken("A token is made of 24 hex digits and up to 36 letters, digits, _ or -.")
    return token


def digest_in(token: str) -> str | None:
    """Give the digest of the analysis that a token was made for; None if it does not say."""
    found = _OURS.fullmatch(token)
    return None if found is None else found[1]


class BadToken(ValueError):
    """A token that would not survive in a URL: a bug of the caller."""


def with_token(url: str, token: str) -> str:
    """The same video under an address that no other submission has.

    Bytes of the URL before the token stay as they are, so a signature stays valid. Raises
    `BadToken` unless the token is 1 to 64 of `A-Z a-z 0-9 _ -`.

    >>> with_token("https://host/a.mp4", "t1")
    'https://host/a.mp4?reelcat=t1'
    >>> with_token("https://host/a.mp4?X-Amz-Signature=00", "t1")
    'https://host/a.mp4?X-Amz-Signature=00#reelcat=t1'
    """
    if not _TOKEN.fullmatch(token):
        raise BadToken("A token is 1 to 64 letters, digits, _ or -.")
    address, _, fragment = url.partition("#")
    path, _, query = address.partition("?")
    kept = "&".join(part for part in fragment.split("&") if part and not _is_token(part))
    if not query:
        return f"{path}?{_NAME}={token}" + (f"#{kept}" if kept else "")
    return f"{address}#" + (f"{kept}&" if kept else "") + f"{_NAME}={token}"


def token_of(url: str) -> str | None:
    """The token that was put into this address; None if there is none.

    Where several are found, the fragment's last one counts before the query's last one, which is
    the order in which `with_token` would have added them.
    """
    address, _, fragment = url.partition("#")
    _, _, query = address.partition("?")
    for part in (fragment, query):
        if found := _TOKEN_PARAMETER.findall(part):
            return str(found[-1])
    return None


def _is_token(parameter: str) -> bool:
    return _TOKEN_PARAMETER.fullmatch(parameter) is not None
