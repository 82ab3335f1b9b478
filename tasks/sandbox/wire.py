"""The API's JSON: bodies of requests, the envelope of answers, refusals, and moments in time.

Unknown keys of a body are dropped, wrong values refused by name. Moments are integer nanoseconds
since 1970, which keep the nine fractional digits of the provider's times and compare exactly.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from catalog.values import AnalysisType

SECOND = 1_000_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))"
)


def nanoseconds(moment: datetime) -> int:
    """Give an aware `moment` as nanoseconds since 1970."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * SECOND + since.microseconds * 1_000


def span(seconds: float | Decimal) -> int:
    """Give a length in seconds as nanoseconds."""
    return int(seconds * SECOND)


def moment(at_ns: int) -> datetime:
    """Give nanoseconds since 1970 as an aware UTC time, cut to microseconds."""
    return _EPOCH + timedelta(microseconds=at_ns // 1_000)


def rfc3339(at_ns: int) -> str:
    """Write a moment as the provider does, in UTC with nine fractional digits.

    >>> rfc3339(1_000_000_001)
    '1970-01-01T00:00:01.000000001Z'
    """
    whole, fraction = divmod(at_ns, SECOND)
    return f"{moment(whole * SECOND):%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"


def parse_rfc3339(text: str) -> int | None:
    """Read a strict RFC 3339 time as nanoseconds; None when it is not one.

    >>> parse_rfc3339("1970-01-01T00:00:01.5Z"), parse_rfc3339("1970-01-01")
    (1500000000, None)
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        return None
    *whole, fraction, sign, hours, minutes = match.groups()
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    try:
        zone = timezone(-offset if sign == "-" else offset)
        year, month, day, hour, minute, second = (int(part) for part in whole)
        read = datetime(year, month, day, hour, minute, second, tzinfo=zone)
    except ValueError:
        return None
    return nanoseconds(read) + int((fraction or "").ljust(9, "0"))


PageSize = Annotated[int, Field(ge=1, le=100)]
PageNumber = Annotated[int, Field(ge=1)]


class Body(BaseModel):
    """Base of all."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class SubmitBody(Body):
    """A submission of this model."""

    video: str
    task: AnalysisType | None = None
    text: str | None = None


class ListBody(Body):
    """A page of the history."""

    page: PageNumber
    page_size: PageSize
    model: str | None = None
    status: str | None = None
    created_after: str | None = None
    created_before: str | None = None
    include_inputs: bool = False


class TicketBody(Body):
    """A file to upload."""

    filename: str
    size: Annotated[int, Field(ge=1)]
    content_type: str = "application/octet-stream"


class PriceBody(Body):
    """Inputs to quote."""

    model_id: str
    inputs: dict[str, Any] = {}


class BillingBody(Body):
    """A page of the bill."""

    page: PageNumber
    page_size: PageSize
    billing_type: str | None = None
    prediction_uuids: list[str] | None = None
    sort: str = "created_at DESC"
    start_time: str | int | None = None
    end_time: str | int | None = None


class ScriptedBody(Body):
    """One line of a fault script."""

    fault: str
    first: int = 1
    times: int | None = 1
    about: str | None = None


class FaultsBody(Body):
    """A fault plan."""

    rates: dict[str, float] = {}
    script: list[ScriptedBody] = []
    seed: int = 0


class ClockBody(Body):
    """A jump in time, or of the clock alone."""

    advance_seconds: Annotated[float, Field(ge=0, le=1e10, allow_inf_nan=False)] = 0.0
    #: Forwards or backwards.
    turn_seconds: Annotated[float, Field(ge=-1e10, le=1e10, allow_inf_nan=False)] = 0.0


class BalanceBody(Body):
    """A new balance."""

    balance_micros: Annotated[int, Field(ge=-(10**18), le=10**18)]


AnyBody = TypeVar("AnyBody", bound=Body)


async def read(request: Request, kind: type[AnyBody]) -> AnyBody:
    """Read a request's JSON body.

    Raises:
        Refusal: 400 with a message that names the field.
    """
    try:
        return kind.model_validate_json(await request.body())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise refused_field(first) from None


def refused_field(error: Any) -> Refusal:
    """Say what is wrong with a body in the provider's words."""
    if not error["loc"]:
        return Refusal(400, "invalid JSON body", reason="body")
    name = str(error["loc"][0])
    if error["type"] == "missing":
        message = f'field "{name}" is required'
    elif error["type"] == "enum":
        message = f'field "{name}" must be one of {", ".join(AnalysisType)}'
    else:
        message = f'field "{name}" is invalid: {error["msg"]}'
    return Refusal(400, message, reason=f"field:{name}")


class Refusal(Exception):
    """A request that is answered with an error envelope and changes nothing."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        reason: str,
        code: int | None = None,
        error_code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.status = status
        self.message = message
        #: The word under which the audit counts it.
        self.reason = reason
        self.code = status if code is None else code
        self.error_code = error_code
        self.headers = headers
        super().__init__(message)

    def response(self) -> Response:
        """Give the answer."""
        body: dict[str, Any] = {"code": self.code, "message": self.message, "data": None}
        if self.error_code is not None:
            body["error_code"] = self.error_code
        return reply(body, status=self.status, headers=self.headers)


def ok(data: Any) -> Response:
    """Answer with `data` in a successful envelope."""
    return reply({"code": 200, "message": "success", "data": data})


def reply(body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Answer with JSON, without an envelope of its own."""
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(content, status, headers, "application/json")


def bare(status: int, body: Any = None) -> Response:
    """Answer as a gateway does that knows nothing of envelopes: with its own JSON, or no body."""
    if body is None:
        return Response(status_code=status)
    return reply(body, status=status)


def gateway_page(status: int, title: str) -> Response:
    """Answer with the HTML that a gateway in front of an API puts out."""
    page = (
        f"<html><head><title>{status} {title}</title></head><body><center><h1>{status} {title}</h1>"
        "</center><hr><center>gateway</center></body></html>"
    )
    return Response(page, status, media_type="text/html")
