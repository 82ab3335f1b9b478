"""One prediction as the sandbox knows it, and how the API shows it.

The record is the one thing here that changes: its status, its end and how often it was asked for.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tasks.wavespeed.sandbox import outputs
from tasks.wavespeed.sandbox.faults import Fault
from tasks.wavespeed.sandbox.instants import rfc3339


class Status(enum.StrEnum):
    """The provider's statuses."""

    CREATED = "created"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"
    DELETED = "deleted"


OPEN = frozenset({Status.CREATED, Status.PROCESSING})

#: The part of a latency that a started prediction still shows as `created`.
_CREATED_SHARE = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class End:
    """How a prediction ended."""

    status: Status
    text: str = ""
    error: str = ""
    #: The inner task code; 0 for success.
    code: int = 0


@dataclass(kw_only=True, slots=True)
class Prediction:
    """One accepted submission, ours or somebody else's."""

    id: str
    model: str
    task: str
    text: str | None
    #: As submitted, so it may be signed.
    video: str = field(repr=False)
    #: What tells videos apart: the content's hash where known, else the address without its token.
    identity: str
    duration_seconds: Decimal | None
    #: What was deducted.
    price_micros: int
    #: The same before any discount.
    list_price_micros: int
    #: False where the bill shows nothing of it.
    is_billed: bool
    created_ns: int
    latency_ns: int
    #: How it goes, if not well (a fault of stage TASK).
    fate: Fault | None = None
    #: A run of the same account that is not ours.
    foreign: bool = False

    #: Not in the history before this moment; None is at once.
    listed_ns: int | None = None

    status: Status = Status.CREATED
    started_ns: int | None = None
    ended_ns: int | None = None
    #: What the model's work came to; shown only once the schedule ends it.
    result: End | None = None
    end: End | None = None
    polls: int = 0
    last_poll_ns: int | None = None
    #: A poll brought its end to the client.
    read: bool = False
    #: The answer to its submission never reached the client.
    answer_lost: bool = False
    #: The client asked to delete it.
    removed: bool = False


def shown_status(prediction: Prediction, now_ns: int) -> str:
    """Say which status the API shows now."""
    if prediction.status not in OPEN:
        return prediction.status
    if prediction.fate is Fault.TASK_UNKNOWN_STATUS:
        return "warming_up"
    if prediction.started_ns is not None:
        shown_from = prediction.started_ns + prediction.latency_ns // _CREATED_SHARE
        if now_ns >= shown_from:
            return Status.PROCESSING
    return "pending" if prediction.fate is Fault.TASK_PENDING else Status.CREATED


def as_json(prediction: Prediction, *, now_ns: int, origin: str, storage: str) -> dict[str, Any]:
    """Give the object that submissions and polls answer; the origins end without a slash."""
    end = prediction.end
    took = 0
    if prediction.ended_ns is not None:
        took = max(prediction.ended_ns - prediction.created_ns, 0) // 1_000_000
    put_out: Any = []
    if end is not None and end.status is Status.COMPLETED:
        address = f"{storage}/storage/text/{prediction.id}.txt"
        put_out = outputs.render(end.text, prediction.fate, address)
    return {
        "id": prediction.id,
        "model": prediction.model,
        "status": str(shown_status(prediction, now_ns)),
        "outputs": put_out,
        "urls": {"get": f"{origin}/api/v3/predictions/{prediction.id}/result"},
        "has_nsfw_contents": [],
        "created_at": rfc3339(prediction.created_ns),
        "error": end.error if end is not None else "",
        "code": end.code if end is not None else 0,
        "executionTime": took,
        "timings": {"inference": took},
    }
