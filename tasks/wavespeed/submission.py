"""What the answer to a submission means for money: accepted, certainly refused, or uncertain.

Only a certain refusal frees the money, so the burden of proof lies there. Everything that proves
neither is `Uncertain`, and its money stays held until the account's history has been read.

A status alone proves nothing: a gateway in front of the provider answers 503, 429 or 404 of its own
accord, also after the provider has accepted. The proof is the provider's own envelope.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from catalog.values import Accepted, RefusalKind, Refused, SubmitOutcome, Uncertain
from tasks.wavespeed.envelope import (
    Answer,
    Envelope,
    prediction_id,
    read_envelope,
    read_time,
    retry_after_seconds,
    said,
    says_out_of_credit,
    speaks_of_credit,
)
from tasks.wavespeed.errors import stopped
from tasks.wavespeed.rejections import kind_of_rejection

#: HTTP statuses with which the provider refuses before it has made a prediction, if it wrote the
#: answer itself.
REFUSING_STATUSES = frozenset({400, 401, 402, 403, 404, 413, 429, 503})
#: The same as an envelope's code under HTTP 200. 503 is missing: there it is not a gateway that
#: speaks but the application, which may have failed after it made the prediction.
REFUSING_CODES = REFUSING_STATUSES - {503}
#: The provider's own codes for what is wrong with a request, under a status of 4xx.
_REQUEST_CODES = range(1000, 2000)


def read_submit(answer: Answer, *, now: datetime) -> SubmitOutcome:
    """Decide what became of the one POST.

    - A well-formed id under HTTP 2xx and code 200: accepted, even if the rest makes no sense.
    - A refusing HTTP status with the provider's own envelope, whose code says the same and which
      has no data: refused.
    - A refusing HTTP status with anything else, be it nothing, HTML, half a body, another's JSON or
      an envelope with data: uncertain. Some gateway may have written it after the provider had
      accepted. It still says how the other requests would fare, so `Uncertain` carries that.
    - HTTP 2xx whose own envelope has a refusing code and no data: refused like that HTTP status.
      Held as uncertain, one empty account would freeze a whole backlog. Code 1407 counts only when
      the message speaks of credit, because its meaning is not documented.
    - HTTP 2xx with any other code (500, 5000, 5003, …), without an id, with `data: null`, or with a
      body that is not whole or not JSON: uncertain.
    - Redirects, other 4xx, 500, 502, 504 and other 5xx: uncertain. Nobody says what was behind
      them.
    """
    envelope = read_envelope(answer)
    named = _named_id(envelope)
    if answer.status_code in REFUSING_STATUSES:
        if _refuses_itself(answer.status_code, envelope):
            return _refused(answer.status_code, answer, envelope, now=now)
        return _unproven(answer.status_code, answer, envelope, now=now)
    if not 200 <= answer.status_code < 300:
        return Uncertain(reason=_words(answer, envelope, "does not say whether it accepted"))
    return _read_success(answer, envelope, named, now=now)


def created_at(answer: Answer) -> datetime | None:
    """When the provider says that what it accepted began; None if it does not say."""
    envelope = read_envelope(answer)
    data: Any = envelope.data if envelope is not None else None
    return read_time(data.get("created_at")) if isinstance(data, dict) else None


def _read_success(
    answer: Answer, envelope: Envelope | None, named: str | None, *, now: datetime
) -> SubmitOutcome:
    """HTTP 2xx, which alone means nothing: the envelope says whether it was accepted."""
    if envelope is None:
        how = answer.cut or "is not JSON"
        return Uncertain(reason=_words(answer, None, f"sent a body that {how}"))
    if envelope.code == 200:
        if named is None:
            return Uncertain(reason=_words(answer, envelope, "accepts, but names no prediction"))
        return Accepted(provider_id=named)
    if (refusing := _refusing_status(envelope)) is not None:
        if envelope.is_own and not envelope.data:
            return _refused(refusing, answer, envelope, now=now)
        return _unproven(refusing, answer, envelope, now=now)
    return Uncertain(reason=_words(answer, envelope, f"answers with code {envelope.code}"))


def _named_id(envelope: Envelope | None) -> str | None:
    data: Any = envelope.data if envelope is not None else None
    return prediction_id(data.get("id")) if isinstance(data, dict) else None


def _refuses_itself(status_code: int, envelope: Envelope | None) -> bool:
    """Whether the provider itself says under this status that it made no prediction.

    The code has to say the same as the status: an envelope that says "success" under a 503 is the
    provider's, and the status a gateway's.
    """
    if envelope is None or not envelope.is_own or envelope.data:
        return False
    if status_code == 503:
        return envelope.code == 503
    return envelope.code in REFUSING_CODES or envelope.code in _REQUEST_CODES


def _refusing_status(envelope: Envelope) -> int | None:
    """The HTTP status that an envelope under HTTP 2xx stands for, if it is one that refuses."""
    if envelope.code == 1407 and speaks_of_credit(envelope.message):
        return 402
    return envelope.code if envelope.code in REFUSING_CODES else None


def _refused(
    status_code: int, answer: Answer, envelope: Envelope | None, *, now: datetime
) -> Refused:
    kind = _kind(status_code, answer, envelope, now=now)
    return Refused(
        kind=kind,
        reason=_reason(kind, status_code, answer, envelope),
        status_code=status_code,
        retry_after_seconds=_wait(kind, answer, now=now),
    )


def _unproven(
    status_code: int, answer: Answer, envelope: Envelope | None, *, now: datetime
) -> Uncertain:
    """A refusal that the provider may not have written: certain for nobody's money."""
    kind = _kind(status_code, answer, envelope, now=now)
    reason = _reason(kind, status_code, answer, envelope).removesuffix(".")
    return Uncertain(
        reason=f"{reason}. This answer (HTTP {answer.status_code}) is not in the provider's own "
        "form, so the submission may have been accepted.",
        kind=kind,
        status_code=status_code,
        retry_after_seconds=_wait(kind, answer, now=now),
    )


def _reason(kind: RefusalKind, status_code: int, answer: Answer, envelope: Envelope | None) -> str:
    if kind is RefusalKind.ACCOUNT:
        broke = status_code not in {401, 404} and says_out_of_credit(status_code, envelope)
        return str(stopped(402 if broke else status_code, said(envelope)))
    return _words(answer, envelope, _REASONS.get(status_code, "refuses"))


def _wait(kind: RefusalKind, answer: Answer, *, now: datetime) -> float | None:
    """How long the answer asks to wait, where waiting helps."""
    return retry_after_seconds(answer.headers, now=now) if kind is RefusalKind.PACE else None


_REASONS = {
    400: "refuses this request",
    413: "finds this request too large",
    429: "takes no more requests for now",
    503: "is not available for now",
}


def _kind(
    status_code: int, answer: Answer, envelope: Envelope | None, *, now: datetime
) -> RefusalKind:
    """What a refusal means for the other requests.

    404 stops the run: the path holds nothing but the model, so every other request would get the
    same answer, and failing each of them would write off a whole backlog for one misspelt setting.
    503 is a gateway's word, so its message is not searched for money. What is left is 400 and 413:
    about this request for good only where the words say so.
    """
    if status_code == 503:
        return RefusalKind.PACE
    if status_code in {401, 403, 404} or says_out_of_credit(status_code, envelope):
        return RefusalKind.ACCOUNT
    if status_code == 429:
        return RefusalKind.PACE
    if retry_after_seconds(answer.headers, now=now) is not None:
        return RefusalKind.PACE
    return kind_of_rejection(status_code, envelope.message if envelope else None)


def _words(answer: Answer, envelope: Envelope | None, what: str) -> str:
    message = said(envelope)
    return f"The provider {what} (HTTP {answer.status_code})" + (f": {message}" if message else ".")
