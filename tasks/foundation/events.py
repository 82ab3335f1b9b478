"""Events: one structured log line for each thing that happens, with whose it is.

An event has a name (`prediction.accepted`) and facts (`prediction=7`). What happens once a run or
once a batch is told at INFO, what a person should see at WARNING, and what happens once a video at
DEBUG, so that a hundred thousand videos are no flood. Where lines go, and in which form, is decided
by `flows.logs`; all go through the one logger `reelcat` of the standard library, so any program
that hands on log records, Prefect among them, has them with their facts.
"""

from __future__ import annotations

import enum
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

from catalog.visible import visible
from tasks.foundation.redaction import redact

LOGGER = logging.getLogger("reelcat")

#: What all events of a task are about, such as its run.
_about: ContextVar[Mapping[str, Any]] = ContextVar("about", default=MappingProxyType({}))


@contextmanager
def about(**facts: Any) -> Iterator[None]:
    """Add facts to every event of this block, and of the tasks that it begins."""
    before = _about.get()
    _about.set({**before, **facts})
    try:
        yield
    finally:
        _about.set(before)


def tell(event: str, /, level: int = logging.INFO, **facts: Any) -> None:
    """Log an event; facts that are None are left out, and no secret is in any of them."""
    if not LOGGER.isEnabledFor(level):
        return
    known = {
        name: _plain(value)
        for name, value in {**_about.get(), **facts}.items()
        if value is not None
    }
    told = " ".join(f"{name}={_quoted(value)}" for name, value in known.items())
    LOGGER.log(level, "%s", f"{event} {told}".rstrip(), extra={"event": event, "facts": known})


def tell_item(event: str, /, **facts: Any) -> None:
    """Log what happens once a video or a prediction."""
    tell(event, logging.DEBUG, **facts)


def _plain(value: object) -> int | float | str | bool:
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, (bool, int, float)):
        return value
    return redact(str(value))


def _quoted(value: float | str | bool) -> str:  # noqa: FBT001 - it is printed, it decides nothing
    """Write a fact so that its end can be told, on one line."""
    text = str(value)
    plain = text and not any(sign.isspace() or sign in '"=' for sign in text)
    return visible(text if plain and text.isprintable() else repr(text))
