"""Looking behind a URL that is a prediction's whole answer.

The URL was written by a model that watched somebody's video, so it is not trusted: it gets no key,
no redirect is followed, only text of bounded size is taken, and addresses inside the local network
are not visited (unless the provider itself is on this machine, as the sandbox is).
"""

from __future__ import annotations

import httpx

from tasks.foundation.untrusted_values import read_json, storable
from tasks.network.connections import HostRefused, require_allowed
from tasks.network.hosts import HostRule
from tasks.wavespeed.errors import Troubled
from tasks.wavespeed.exchange import described, exchange, sender
from tasks.wavespeed.wire import Answer, read_outputs

_SECONDS = 30.0
_PASSING = frozenset({408, 425, 429})


async def look_behind(client: httpx.AsyncClient, url: str, *, rule: HostRule) -> str | None:
    """The text behind the URL; None when there is none to be had.

    `client` must not carry a key, and connects to what `rule` allows only. Raises `Troubled` when
    another look may help.
    """
    try:
        target = httpx.URL(url)
        require_allowed(target, rule)
        answer = await exchange(
            sender(client), client.build_request("GET", target), seconds=_SECONDS
        )
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, HostRefused):
        return None
    except (httpx.HTTPError, OSError) as error:
        raise Troubled(described(error)) from error
    if answer.status_code in _PASSING or answer.status_code >= 500:
        raise Troubled(f"HTTP {answer.status_code} for the answer's text")
    if answer.status_code != 200:
        return None
    if answer.cut and answer.cut.startswith("ended early"):
        raise Troubled(f"the answer's text {answer.cut}")
    return None if answer.cut else _text_in(answer)


def _text_in(answer: Answer) -> str | None:
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in {"text/html", "application/xhtml+xml"}:
        return None
    try:
        text = answer.body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    if "\x00" in text:
        return None
    if kind == "application/json":
        inner = read_outputs(read_json(answer.body))
        return inner if isinstance(inner, str) else None
    return storable(text).strip() or None
