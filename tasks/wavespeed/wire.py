"""The JSON of the API as records: the envelope, its message, times and ids, and an output's text.

Everything here is pure and takes whatever bytes came: gateways answer HTML, connections end
half-way, and fields change their type. What cannot be read is None, never an exception and never a
guess. The documentation calls `outputs[0]` a URL, the model's own page shows a sentence; both are
read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidatorFunctionWrapHandler
from pydantic.functional_validators import WrapValidator

from tasks.foundation.redaction import redact
from tasks.foundation.untrusted_values import http_date, read_json, storable, time_in

#: An answer longer than this is not read to its end. A page of 100 predictions stays far below.
MOST_BODY_BYTES = 4 * 1024 * 1024
#: A longer `Retry-After` is taken for a mistake; five minutes are long enough to ask again.
MOST_RETRY_AFTER_SECONDS = 300.0
#: What the provider says is shown to people, who need its beginning.
_MOST_MESSAGE = 300
_PREDICTION_ID = re.compile(r"[A-Za-z0-9_-]{4,128}")
_SECONDS = re.compile(r"\d{1,9}(?:\.\d{1,9})?")
_CREDIT = re.compile(
    r"\binsufficient\b|\bbalance\b|\btop.?up\b|\b(?:not enough|out of|no|low) credits?\b",
    re.IGNORECASE,
)
_NAMES_A_FIELD = re.compile(r"\s*field\s+[\"'`]", re.IGNORECASE)
_CREDIT_CODES = frozenset({402, 1407})


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """One HTTP answer as it came off the wire."""

    status_code: int
    #: Any mapping with lower-case names; httpx's own is one.
    headers: Mapping[str, str]
    #: As much of it as came, at most `MOST_BODY_BYTES`.
    body: bytes
    #: Why the body is not whole; None when it is.
    cut: str | None = None


def _or_none(value: object, handler: ValidatorFunctionWrapHandler) -> object:
    try:
        return handler(value)
    except ValidationError:
        return None


#: Fields that read as None when their type is not what was expected, or when no column holds them.
Text = Annotated[str | None, WrapValidator(_or_none)]
Number = Annotated[
    Annotated[int, Field(ge=-(2**31), lt=2**31)] | None,
    WrapValidator(_or_none),
]


class Envelope(BaseModel):
    """`{"code", "message", "data"}`; `code` 200 means accepted, whatever the HTTP status."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    code: Number = None
    message: Text = None
    #: Some failures carry this with or instead of `code`.
    error_code: Any = None
    data: Any = None

    @property
    def is_own(self) -> bool:
        """Whether the provider's application must have written it, and no gateway before it.

        It has all three fields that each answer of the provider has: a number as `code`, words as
        `message`, and `data`, be it null. Gateways write JSON too, `{"message": "Forbidden"}` or
        `{"code": 503, "message": "no healthy upstream"}`, but none knows of `data`.
        """
        return (
            self.code is not None and self.message is not None and "data" in self.model_fields_set
        )


def read_envelope(answer: Answer) -> Envelope | None:
    """The envelope, with numbers that have a fraction as Decimal; None if the body holds none."""
    content = read_json(answer.body)
    if not isinstance(content, dict):
        return None
    return Envelope.model_validate(content)


def page_rows(envelope: Envelope) -> list[Any] | None:
    """The rows of a paged answer; None if it is no page, which is not the same as an empty one."""
    data = envelope.data
    if isinstance(data, dict) and "items" in data:
        data = data["items"] if data["items"] is not None else []
    return data if isinstance(data, list) else None


def said(envelope: Envelope | None) -> str | None:
    """The provider's own words, fit to be shown: redacted, on one line, at most 300 characters."""
    if envelope is None or not envelope.message:
        return None
    return shown(envelope.message)


def shown(text: str) -> str:
    """Foreign words fit to be shown: redacted, on one line, at most 300 characters."""
    line = " ".join(storable(redact(text)).split())
    return line if len(line) <= _MOST_MESSAGE else line[: _MOST_MESSAGE - 1] + "…"


def says_out_of_credit(status_code: int, envelope: Envelope | None) -> bool:
    """Whether a refusal is about money rather than about the request.

    The provider documents no single sign, so several count: status or code 402, code 1407, or,
    under 400 and 403, words like "insufficient credits", "balance", "top up". A message that names
    a request field is about that field, whatever words it quotes.
    """
    if status_code == 402 or (envelope is not None and envelope.code in _CREDIT_CODES):
        return True
    return status_code in {400, 403} and speaks_of_credit(envelope.message if envelope else None)


def speaks_of_credit(message: str | None) -> bool:
    """Whether words of the provider are about the account's money."""
    if not message or _NAMES_A_FIELD.match(message):
        return False
    return _CREDIT.search(message) is not None


def retry_after_seconds(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """How long the provider asks to wait, between 0 and 300 s; None if it does not say."""
    value = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(value):
        seconds = float(value)
    else:
        at = http_date(value)
        if at is None:
            return None
        seconds = (at - now).total_seconds()
    return min(max(seconds, 0.0), MOST_RETRY_AFTER_SECONDS)


def prediction_id(value: object) -> str | None:
    """The value if it can be a prediction's id, which is 4 to 128 of `A-Z a-z 0-9 _ -`."""
    return value if isinstance(value, str) and _PREDICTION_ID.fullmatch(value) else None


def read_time(value: object) -> datetime | None:
    """An RFC 3339 time in UTC, cut to microseconds; None if it is none."""
    return time_in(value) if isinstance(value, str) else None


_LONE_URL = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
#: Where an object may hold the text, best first.
_TEXT_KEYS = ("text", "output", "outputs", "url")
#: Deeper nesting is not an answer, it is an attack on the stack.
_MOST_NESTING = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Elsewhere:
    """The whole output is one URL: the text may lie behind it, or the URL may be the text."""

    url: str


def read_outputs(outputs: Any) -> str | Elsewhere | None:
    """The text, or where it lies; None when there is nothing but emptiness.

    Several texts are joined by empty lines. An object without a known key is its own JSON text.
    """
    text = "\n\n".join(_texts(outputs, depth=0))
    if not text:
        return None
    if _LONE_URL.fullmatch(text):
        return Elsewhere(url=text)
    return text


def as_json(outputs: Any) -> str:
    """The outputs as JSON text that any database takes."""
    return storable(json.dumps(outputs, ensure_ascii=False, default=_number))


def _texts(value: Any, *, depth: int) -> list[str]:
    if value is None or depth > _MOST_NESTING:
        return []
    if isinstance(value, str):
        text = storable(value).strip()
        return [text] if text else []
    if isinstance(value, list):
        return [text for item in value for text in _texts(item, depth=depth + 1)]
    if isinstance(value, dict):
        for key in _TEXT_KEYS:
            if found := _texts(value.get(key), depth=depth + 1):
                return found
        others = {key: held for key, held in value.items() if key not in _TEXT_KEYS}
        return [as_json(value)] if others else []
    return [as_json(value)]


def _number(value: object) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(type(value).__name__)
