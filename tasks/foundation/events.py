"""Events: one structured log line for each thing that happens.

An event has a name and facts: `logger.info("batch.probed", files=500)`. Facts that are None are
left out. `structlog.contextvars.bound_contextvars(run=...)` adds facts to every event of a block
and of the tasks that it begins.

What happens once a run or once a batch is INFO, what a person should see is WARNING, and what
happens once a video is DEBUG, so that a hundred thousand videos are no flood. `flows.logs` decides
where lines go, and in which form. All of them go through the logger `reelcat` of the standard
library, so any program that hands on log records, Prefect among them, has them with their facts.
"""

from __future__ import annotations

import enum
import logging
from typing import Any, cast

import structlog
from structlog.contextvars import get_contextvars
from structlog.stdlib import BoundLogger, filter_by_level
from structlog.typing import EventDict

from catalog.visible import visible
from tasks.foundation.redaction import redact

LOGGER = logging.getLogger("reelcat")


def _add_context(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Put the facts of the block first, as in every line of a run."""
    return {**get_contextvars(), **event}


def _drop_unknown(_logger: object, _method: str, event: EventDict) -> EventDict:
    return {name: value for name, value in event.items() if value is not None}


def _redact(_logger: object, _method: str, event: EventDict) -> EventDict:
    return {name: _plain(value) for name, value in event.items()}


def _plain(value: object) -> int | float | str | bool:
    if isinstance(value, enum.Enum):
        value = value.value
    return value if isinstance(value, (bool, int, float)) else redact(str(value))


def _as_record(
    _logger: object, _method: str, event: EventDict
) -> tuple[tuple[str], dict[str, Any]]:
    """Give the arguments of a log record: `batch.probed run=… files=500`, and the same as facts."""
    name = event.pop("event")
    told = " ".join(f"{fact}={_quoted(value)}" for fact, value in event.items())
    return (f"{name} {told}".rstrip(),), {"extra": {"event": name, "facts": event}}


def _quoted(value: float | str | bool) -> str:  # noqa: FBT001 - it is printed, it decides nothing
    """Write a fact so that its end can be told, on one line."""
    text = str(value)
    plain = text and not any(sign.isspace() or sign in '"=' for sign in text)
    return visible(text if plain and text.isprintable() else repr(text))


logger = cast(
    "BoundLogger",
    structlog.wrap_logger(
        LOGGER,
        wrapper_class=BoundLogger,
        # Nothing behind the redaction may add a fact: it only writes down what is there.
        processors=[filter_by_level, _add_context, _drop_unknown, _redact, _as_record],
        cache_logger_on_first_use=True,
    ),
)
