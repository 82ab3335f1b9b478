"""What the answer to a poll says of one prediction.

A poll never ends a prediction because of a gateway: only the provider's own statuses do.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from catalog.values import Completed, Failed, Gone, Pending, PollOutcome
from tasks.wavespeed.envelope import (
    Answer,
    Envelope,
    Number,
    Text,
    read_envelope,
    retry_after_seconds,
    said,
    shown,
    speaks_of_credit,
)
from tasks.wavespeed.errors import stopped
from tasks.wavespeed.outputs import Elsewhere, as_json, read_outputs

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
