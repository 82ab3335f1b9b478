"""One prediction as the sandbox knows it: states, pace, end, outputs, and how the API shows it.

Nothing ticks: whoever looks says what time it is, and all that was due by then has happened.
"""

from __future__ import annotations

import enum
import heapq
import json
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tasks.sandbox.faults import Fault
from tasks.sandbox.options import SandboxOptions
from tasks.sandbox.wire import SECOND, rfc3339, span


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
        put_out = render(end.text, prediction.fate, address)
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


#: The provider's task codes and the words it has for them; None where nobody has seen any.
_CODES = {
    Fault.TASK_FAILED_1200: (1200, "Content moderation refused the input."),
    Fault.TASK_FAILED_1400: (1400, "Missing parameter."),
    Fault.TASK_FAILED_1401: (1401, "Invalid parameter."),
    Fault.TASK_FAILED_1402: (1402, "Failed to download video from the provided URL."),
    Fault.TASK_FAILED_1403: (1403, "Task execution failed."),
    Fault.TASK_FAILED_1405: (1405, "Task failed."),
    Fault.TASK_FAILED_1406: (1406, "Task failed (1406)."),
    Fault.TASK_FAILED_1407: (1407, "Task failed (1407)."),
    Fault.TASK_FAILED_5000: (5000, "Internal error."),
    Fault.TASK_FAILED_5003: (5003, "Service unavailable."),
    Fault.TASK_FAILED_5004: (5004, "Task timed out."),
}

FORCED_ENDS = {
    fault: End(status=Status.FAILED, code=code, error=error)
    for fault, (code, error) in _CODES.items()
} | {
    Fault.TASK_CANCELLED: End(status=Status.CANCELLED, error="Task was cancelled."),
    Fault.TASK_TIMEOUT: End(status=Status.TIMEOUT, error="Task timed out."),
    Fault.TASK_DELETED: End(status=Status.DELETED, error="Task was deleted."),
}

ENDLESS = frozenset({Fault.TASK_NEVER_ENDS, Fault.TASK_UNKNOWN_STATUS})

UNREACHABLE_CODE = 1402
UNREADABLE_CODE = 1403

#: "Wrong parameters" are not promised a refund.
_OUR_OWN_FAULT = frozenset({1400, 1401})


def unreachable(reason: str) -> End:
    """Give the end of a prediction whose video could not be fetched."""
    error = f"Failed to download video from the provided URL. {reason}"
    return End(status=Status.FAILED, code=UNREACHABLE_CODE, error=error)


def unreadable(reason: str) -> End:
    """Give the end of a prediction whose video could not be described."""
    error = f"Task execution failed. {reason}"
    return End(status=Status.FAILED, code=UNREADABLE_CODE, error=error)


def is_refunded(end: End) -> bool:
    """Say whether the provider pays a prediction back that ended so."""
    return end.status in {Status.FAILED, Status.TIMEOUT} and end.code not in _OUR_OWN_FAULT


_VERY_LONG = 200_000
_NON_ASCII = "Ein Café, 東京の夜、Москва, مرحبا, नमस्ते, 🎬🐈\u200d⬛, e\u0301"
_REFUSAL = "I'm sorry, but I can't help with describing this video."


def render(text: str, fate: Fault | None, address: str) -> Any:
    """Give `outputs` for the model's `text`; `address` is where the text can be fetched."""
    if fate is None:
        return [text]
    as_json = json.dumps({"summary": text, "objects": [{"name": "person", "count": 2}]})
    shapes: dict[Fault, Any] = {
        Fault.OUTPUT_EMPTY_LIST: [],
        Fault.OUTPUT_NULL: None,
        Fault.OUTPUT_EMPTY_TEXT: [""],
        Fault.OUTPUT_WHITESPACE: [" \n\t "],
        Fault.OUTPUT_NON_ASCII: [f"{_NON_ASCII} {text}"],
        Fault.OUTPUT_FENCED_JSON: [f"```json\n{as_json}\n```"],
        Fault.OUTPUT_CUT_JSON: [as_json[: len(as_json) // 2]],
        Fault.OUTPUT_REFUSAL: [_REFUSAL],
        Fault.OUTPUT_URL: [address],
        Fault.OUTPUT_OBJECT: [{"text": text}],
        Fault.OUTPUT_BARE_OBJECT: {"text": text},
        Fault.OUTPUT_SEVERAL: [text, f"Second text. {text}"],
    }
    if fate is Fault.OUTPUT_VERY_LONG:
        return [f"{text} " * (_VERY_LONG // (len(text) + 1) + 1)]
    return shapes.get(fate, [text])


class Lifecycle:
    """Starts and ends predictions; over the slots they wait as `created`."""

    def __init__(self, *, slots: int | None, on_end: Callable[[Prediction, int], None]) -> None:
        self._slots = slots
        self._on_end = on_end
        self._waiting: deque[Prediction] = deque()
        self._running: list[tuple[int, str, Prediction]] = []
        #: Due by the schedule, but still being worked on.
        self._overdue: dict[str, Prediction] = {}
        self._occupied = 0

    def admit(self, prediction: Prediction, now_ns: int) -> None:
        """Take an accepted prediction in; it starts at once if a slot is free."""
        if prediction.fate is Fault.TASK_NEVER_STARTS:
            return
        if self._slots is None or self._occupied < self._slots:
            self._start(prediction, now_ns)
        else:
            self._waiting.append(prediction)

    def turn(self, by_ns: int) -> None:
        """Go on by a clock that was turned."""
        self._running = [(ends_ns + by_ns, id_, one) for ends_ns, id_, one in self._running]

    def advance(self, now_ns: int) -> None:
        """Let everything happen that was due by now."""
        while self._running and self._running[0][0] <= now_ns:
            ends_ns, _, prediction = heapq.heappop(self._running)
            if prediction.result is not None:
                self._finish(prediction, ends_ns)
            else:
                self._overdue[prediction.id] = prediction

    def work_done(self, prediction: Prediction, now_ns: int) -> None:
        """Say that a prediction's `result` is there; it ends now if its latency is over."""
        self.advance(now_ns)
        if self._overdue.pop(prediction.id, None) is not None:
            self._finish(prediction, now_ns)

    def _start(self, prediction: Prediction, at_ns: int) -> None:
        self._occupied += 1
        prediction.started_ns = at_ns
        prediction.status = Status.PROCESSING
        if prediction.fate not in ENDLESS:
            entry = (at_ns + prediction.latency_ns, prediction.id, prediction)
            heapq.heappush(self._running, entry)

    def _finish(self, prediction: Prediction, at_ns: int) -> None:
        self._occupied -= 1
        self._on_end(prediction, at_ns)
        if self._waiting:
            self._start(self._waiting.popleft(), at_ns)


class Latency:
    """Draws lognormal latencies with the options' mean, spread and scale."""

    def __init__(self, options: SandboxOptions, source: random.Random) -> None:
        self._source = source
        self._sigma = options.latency_sigma
        mean = options.latency_mean_seconds * options.latency_scale
        # The mean of a lognormal is exp(mu + sigma²/2).
        self._mu = math.log(mean) - self._sigma**2 / 2 if mean > 0 else None

    def draw(self) -> int:
        """Give one latency in nanoseconds."""
        if self._mu is None:
            return 0
        return span(self._source.lognormvariate(self._mu, self._sigma))


class StartGate:
    """Counts starts; says no once a minute's worth is used up.

    The gate's windows are those of the clock ("resets each minute"). The peaks are counted in
    real minutes, whatever length the gate's have.
    """

    def __init__(self, *, per_minute: int | None, minute_ns: int) -> None:
        self._per_minute = per_minute
        self._minute_ns = max(minute_ns, 1)
        self._window = -1
        self._in_window = 0
        self._recent: deque[int] = deque()
        self._calendar = (-1, 0)
        #: Most starts within one minute of the clock, and within any sixty seconds.
        self.calendar_peak = 0
        self.any_peak = 0

    def is_open(self, now_ns: int) -> bool:
        """Say whether one more may start now."""
        window = now_ns // self._minute_ns
        if window != self._window:
            self._window, self._in_window = window, 0
        return self._per_minute is None or self._in_window < self._per_minute

    def count(self, now_ns: int) -> None:
        """Note one start."""
        if self.is_open(now_ns):
            self._in_window += 1
        self._recent.append(now_ns)
        while self._recent[0] <= now_ns - 60 * SECOND:
            self._recent.popleft()
        self.any_peak = max(self.any_peak, len(self._recent))
        minute = now_ns // (60 * SECOND)
        count = self._calendar[1] + 1 if self._calendar[0] == minute else 1
        self._calendar = (minute, count)
        self.calendar_peak = max(self.calendar_peak, count)
