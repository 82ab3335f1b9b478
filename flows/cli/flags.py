"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

#: On when named, with no opposite.
Flag = Parameter(negative="", show_default=False)

Json = Annotated[bool, Flag]
