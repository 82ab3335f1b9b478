"""Withholding: a submission may turn out not to be wanted while it waits for other requests."""

from __future__ import annotations

from collections.abc import Callable

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
