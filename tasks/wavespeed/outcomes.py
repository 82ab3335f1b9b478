"""What the provider's answer means: to a submission, to a poll, and to a question that is free.

Only a certain refusal of a submission frees its money. A poll never ends a prediction because of a
gateway: only the provider's own statuses do. A free question may be asked again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from catalog.values import (
    Accepted,
    Completed,
    Failed,
    Gone,
    Pending,
    PollOutcome,
    RefusalKind,
    Refused,
    SubmitOutcome,
    Uncertain,
)
from tasks.wavespeed.errors import (
    EndpointAbsent,
    RequestRejected,
    Troubled,
    kind_of_rejection,
    stopped,
)
from tasks.wavespeed.wire import (
    Answer,
    Elsewhere,
    Envelope,
    Number,
    Text,
    as_json,
    prediction_id,
    read_envelope,
    read_outputs,
    read_time,
    retry_after_seconds,
    said,
    says_out_of_credit,
    shown,
    speaks_of_credit,
)

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


_GOING_ON = frozenset({"created", "processing", "pending", "queued"})
#: Ends without an answer, and whether a new prediction may do better. Somebody meant to cancel or
#: to delete; a timeout was nobody's will.
_ENDED = {"cancelled": False, "canceled": False, "deleted": False, "timeout": True}
#: The provider's task codes after which a new prediction may do better: media not reached,
#: execution failed, task failed, internal, unavailable, timeout.
_RETRYABLE_CODES = frozenset({1402, 1403, 1405, 5000, 5003, 5004})
_CODE_MEANINGS = {
    1200: "content moderation refused it",
    1400: "a parameter is missing",
    1401: "a parameter is not valid",
    1402: "the video could not be fetched from its address",
    1403: "the task could not be executed",
    1405: "the task failed",
    5000: "internal error",
    5003: "service unavailable",
    5004: "time ran out",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class AnswerElsewhere:
    """Completed, and the answer is one URL that has yet to be looked behind."""

    url: str


class _Prediction(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    id: Text = None
    status: Text = None
    error: Text = None
    #: The task's code, 0 for success; unrelated to the envelope's.
    code: Number = None
    outputs: Any = None
    output: Any = None


def read_poll(answer: Answer, *, provider_id: str, now: datetime) -> PollOutcome | AnswerElsewhere:
    """Decide what one poll of `provider_id` tells.

    `Pending` with a trouble for everything a gateway may say: 429, 5xx, HTML, half a body, a code
    other than 200, `data: null`, another prediction's answer, a status nobody has heard of. 404 is
    `Gone`, as HTTP status or as code. Raises `AccountStopped` for 401 and for a 403 that is the
    provider's own; a 403 without an envelope is some gateway's, so a trouble.
    """
    envelope = read_envelope(answer)
    code = _effective_code(answer, envelope)
    if code == 401 or (code == 403 and envelope is not None):
        raise stopped(code, said(envelope))
    if code == 404:
        return Gone()
    if code != 200 or envelope is None:
        return _trouble(answer, envelope, now=now)
    if not isinstance(envelope.data, dict):
        return Pending(trouble="The provider answers without saying anything of the prediction.")
    prediction = _Prediction.model_validate(envelope.data)
    if prediction.id not in {None, "", provider_id}:
        return Pending(trouble="The provider answers for another prediction.")
    return _read_status(prediction)


def _effective_code(answer: Answer, envelope: Envelope | None) -> int:
    """The HTTP status, or under HTTP 2xx what the envelope says; without a code, 200."""
    if not 200 <= answer.status_code < 300:
        return answer.status_code
    if envelope is None or envelope.code is None:
        return 200
    return envelope.code


def _trouble(answer: Answer, envelope: Envelope | None, *, now: datetime) -> Pending:
    if envelope is None:
        what = f"a body that {answer.cut or 'is not JSON'}"
    else:
        what = f"code {envelope.code}" + (f", {said(envelope)}" if said(envelope) else "")
    return Pending(
        trouble=f"HTTP {answer.status_code} with {what}",
        retry_after_seconds=retry_after_seconds(answer.headers, now=now),
    )


def _read_status(prediction: _Prediction) -> PollOutcome | AnswerElsewhere:
    status = (prediction.status or "").strip().lower()
    if status in _GOING_ON:
        return Pending()
    if status == "completed":
        return _read_completed(prediction)
    if status == "failed":
        retryable = prediction.code in _RETRYABLE_CODES or speaks_of_credit(prediction.error)
        return Failed(
            reason=_why(prediction, "failed"), code=prediction.code or None, retryable=retryable
        )
    if status in _ENDED:
        return Failed(
            reason=_why(prediction, status),
            code=prediction.code or None,
            retryable=_ENDED[status],
        )
    return Pending(trouble=f"unknown status {shown(status)!r}" if status else "no status")


def _read_completed(prediction: _Prediction) -> PollOutcome | AnswerElsewhere:
    outputs = prediction.outputs if prediction.outputs is not None else prediction.output
    match read_outputs(outputs):
        case None:
            # A new prediction of the same video is a new charge, and likely the same emptiness.
            return Failed(reason="The provider completed it without any text.", retryable=False)
        case Elsewhere(url=url):
            return AnswerElsewhere(url=url)
        case str(text):
            return Completed(text=text, raw=as_json(outputs))


def _why(prediction: _Prediction, status: str) -> str:
    meaning = _CODE_MEANINGS.get(prediction.code or 0)
    parts = [f"The provider ended it as {status}"]
    if prediction.code:
        parts.append(f"code {prediction.code}" + (f" ({meaning})" if meaning else ""))
    sentence = ", ".join(parts)
    return f"{sentence}: {shown(prediction.error)}" if prediction.error else f"{sentence}."
