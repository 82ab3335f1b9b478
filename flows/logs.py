"""Logs: where events go, and in which form.

To stderr where a form or a level was asked for (`REELCAT_LOG_FORMAT`, `REELCAT_LOG_LEVEL`); people
at a terminal have progress and the report instead. To Prefect wherever it watches: nothing here
imports it, so commands that do without it stay light.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TextIO

from flows.settings import Settings
from tasks.foundation.events import LOGGER
from tasks.foundation.redaction import RedactingFilter

#: Where Prefect keeps the handlers that it lends to loggers of others.
_LENT_BY_PREFECT = "prefect.extra"


#: Several runs may share a process, and a line is written once however many there are.
_lock = threading.Lock()
_handlers: list[logging.Handler] = []
_users: list[Settings] = []


@contextmanager
def logging_to(settings: Settings) -> Iterator[None]:
    """Send events where the settings say for as long as the block lasts.

    Where one block is within another, or runs at the same time, the settings of the first hold.
    """
    with _lock:
        if not _users:
            _begin(settings)
        _users.append(settings)
    try:
        yield
    finally:
        with _lock:
            _users.pop()
            if not _users:
                _end()


def _begin(settings: Settings) -> None:
    _handlers.append(_ToPrefect(logging.INFO))
    if settings.log_format is not None or settings.log_level is not None:
        _handlers.append(_to_stderr(settings))
    for handler in _handlers:
        handler.addFilter(RedactingFilter())
        LOGGER.addHandler(handler)
    LOGGER.setLevel(min(handler.level for handler in _handlers))
    LOGGER.propagate = False


def _end() -> None:
    while _handlers:
        LOGGER.removeHandler(_handlers.pop())
    LOGGER.setLevel(logging.NOTSET)
    LOGGER.propagate = True


def _to_stderr(settings: Settings) -> logging.Handler:
    handler = _ToStderr(getattr(logging, (settings.log_level or "info").upper()))
    handler.setFormatter(_Json() if settings.log_format == "json" else _Text())
    return handler


class _ToStderr(logging.StreamHandler[TextIO]):
    """Writes to what is stderr now, which is not what it was where a terminal shows progress."""

    def __init__(self, level: int) -> None:
        logging.Handler.__init__(self, level)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Drop a line that cannot be written; logging would print a traceback."""

    @property
    def stream(self) -> TextIO:  # type: ignore[override]  # decided anew at each line
        return sys.stderr


class _ToPrefect(logging.Handler):
    """Hands records to Prefect, if it is there: its page shows them with the run."""

    def emit(self, record: logging.LogRecord) -> None:
        if not _is_watched():
            return
        for handler in logging.getLogger(_LENT_BY_PREFECT).handlers:
            if record.levelno >= handler.level:
                handler.handle(record)


def _is_watched() -> bool:
    """Whether this is said within a run of Prefect's; it takes, and warns of, no other records."""
    context = sys.modules.get("prefect.context")
    if context is None:
        return False
    runs = (context.FlowRunContext, context.TaskRunContext)
    return any(run.get() is not None for run in runs)


class _Text(logging.Formatter):
    """`2026-11-24T02:15:03.120Z INFO run.started run=…`."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        return f"{_moment(record)} {record.levelname} {record.getMessage()}"


class _Json(logging.Formatter):
    """One object a line: time, level, event, and the event's facts after them."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        said = {
            "time": _moment(record),
            "level": record.levelname.lower(),
            "event": getattr(record, "event", record.getMessage()),
        }
        return json.dumps(said | getattr(record, "facts", {}))


def _moment(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
