"""Withholding: a submission may turn out not to be wanted while it waits for other requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from catalog.values import Refused


class Withheld(Exception):
    """A submission is not to be sent after all."""

    def __init__(self, refusal: Refused) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


#: Called when nothing is left to wait for before a request; raises `Withheld` if none is to be.
Check = Callable[[], None]


def send() -> None:
    """Withhold nothing."""


#: Under this name a request carries its check to the transport.
CHECK = "check"
#: What httpx's own transport names the moment in which the first byte is about to go.
_ABOUT_TO_SEND = "send_request_headers.started"


def before_sending(check: Check) -> dict[str, Any]:
    """Make a request's extensions that call `check` once it has a connection.

    Connecting takes time, in which a process may be stopped.
    """

    async def trace(event: str, _info: dict[str, Any]) -> None:
        if event.endswith(_ABOUT_TO_SEND):
            check()

    return {CHECK: check, "trace": trace}
