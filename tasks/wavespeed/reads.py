"""Opening the answer to a question that costs nothing and may be asked again.

Sorts what is not an answer into what stops the account, what will never be answered and what may be
answered in a moment. Submitting and polling have rules of their own.
"""

from __future__ import annotations

from datetime import datetime

from tasks.wavespeed.envelope import (
    Answer,
    Envelope,
    read_envelope,
    retry_after_seconds,
    said,
    says_out_of_credit,
)
from tasks.wavespeed.errors import EndpointAbsent, RequestRejected, Troubled, stopped

_ABSENT = frozenset({404, 405, 501})
_PASSING = frozenset({408, 425, 429})
#: As an envelope's code these say the same as an HTTP status of 400; the last two are task codes.
_REJECTING_CODES = frozenset({400, 413, 422, 1400, 1401})


def open_envelope(answer: Answer, *, now: datetime) -> Envelope:
    """The envelope of an answer that is one.

    Raises `AccountStopped` (401, 402, a 403 of the provider's own, or words about credit),
    `EndpointAbsent` (404, 405, 501), `RequestRejected` (redirects and the other 4xx), and
    `Troubled` for all that may pass: 408, 425, 429, 5xx, HTML, half a body, unknown codes,
    `data: null`.
    """
    envelope = read_envelope(answer)
    if 200 <= answer.status_code < 300:
        return _opened(answer, envelope, now=now)
    status = answer.status_code
    message = said(envelope) or "no reason given"
    if status == 401 or (status == 403 and envelope is not None):
        raise stopped(402 if says_out_of_credit(status, envelope) else status, said(envelope))
    if says_out_of_credit(status, envelope):
        raise stopped(402, said(envelope))
    if status in _ABSENT:
        raise EndpointAbsent(
            f"The provider has no such endpoint (HTTP {status}). Check WAVESPEED_BASE_URL."
        )
    if status in _PASSING or status >= 500 or status == 403:
        raise _troubled(answer, f"HTTP {status}: {message}", now=now)
    if 300 <= status < 400:
        raise RequestRejected(
            "The provider's address redirects elsewhere, and the key is not sent there. Set "
            "WAVESPEED_BASE_URL to the final address.",
            status_code=status,
        )
    raise RequestRejected(
        f"The provider refuses the request (HTTP {status}): {message}", status_code=status
    )


def _opened(answer: Answer, envelope: Envelope | None, *, now: datetime) -> Envelope:
    if envelope is None:
        raise _troubled(answer, f"a body that {answer.cut or 'is not JSON'}", now=now)
    code = envelope.code
    if code in {200, None} and envelope.data is not None:
        return envelope
    message = said(envelope) or "no reason given"
    if code in {401, 402, 403}:
        raise stopped(code, said(envelope))
    if code in _ABSENT:
        raise EndpointAbsent(
            f"The provider has no such endpoint (code {code}). Check WAVESPEED_BASE_URL."
        )
    if code in _REJECTING_CODES:
        raise RequestRejected(
            f"The provider refuses the request (code {code}): {message}", status_code=code or 0
        )
    raise _troubled(answer, f"code {code}: {message}", now=now)


def _troubled(answer: Answer, reason: str, *, now: datetime) -> Troubled:
    return Troubled(reason, retry_after_seconds=retry_after_seconds(answer.headers, now=now))
