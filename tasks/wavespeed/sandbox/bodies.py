"""The bodies that requests may have. Unknown keys are dropped, wrong values refused by name."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request

from catalog.values import Task
from tasks.wavespeed.sandbox.answers import Refusal

PageSize = Annotated[int, Field(ge=1, le=100)]
PageNumber = Annotated[int, Field(ge=1)]


class Body(BaseModel):
    """Base of all."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class SubmitBody(Body):
    """A submission of this model."""

    video: str
    task: Task | None = None
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


class DeleteBody(Body):
    """Predictions to delete."""

    ids: list[str]


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


class UsageBody(Body):
    """A span of time to sum up."""

    start_time: str
    end_time: str
    model_uuid: str | None = None


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
        message = f'field "{name}" must be one of {", ".join(Task)}'
    else:
        message = f'field "{name}" is invalid: {error["msg"]}'
    return Refusal(400, message, reason=f"field:{name}")
