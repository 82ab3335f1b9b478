"""Options that several commands have, and spans of time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

from cyclopts import CoercionError, Parameter, Token, convert

from catalog.errors import SettingsError

#: On when named, with no opposite.
Flag = Parameter(negative="", show_default=False)

Json = Annotated[bool, Flag]

#: What is further away may lie before the first day of the calendar.
_LONGEST = timedelta(days=99_999)


def read_span(_type: Any, tokens: Sequence[Token]) -> timedelta:
    """Read a span of time as cyclopts does, whatever the case and with spaces.

    cyclopts reads a capital M as months; here it is minutes, as any other letter is.

    Raises:
        SettingsError: naming the option, if it is none, or one before zero.
    """
    written, option = tokens[0].value, tokens[0].keyword
    try:
        span: timedelta = convert(timedelta, ["".join(written.lower().split())])
    except (CoercionError, OverflowError):
        span = timedelta.max
    if timedelta(0) <= span <= _LONGEST:
        return span
    raise SettingsError(
        f"{option} takes days, hours or minutes such as 8d, 12h or 90m, not {written!r}."
    )


Span = Annotated[timedelta, Parameter(converter=read_span)]
