"""How faults end a prediction, and which ends are paid back."""

from __future__ import annotations

from tasks.wavespeed.sandbox.faults import Fault
from tasks.wavespeed.sandbox.predictions import End, Status

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
