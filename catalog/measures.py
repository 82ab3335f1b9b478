"""What is measured of a video, as columns, as JSON and as rows of a database.

All of it follows from the fields of `catalog.values.Probe` and what is declared of them there.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import NoneType
from typing import Any, get_args, get_type_hints

from catalog.values import Measure, Probe


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """One measured field."""

    #: Of `Probe`.
    attribute: str
    #: Its column, and its key in JSON.
    name: str
    #: What a value is that is known: str, int, bool, Decimal, datetime, dict or an enum.
    kind: type
    #: Whether it may be unknown.
    nullable: bool
    measure: Measure

    @classmethod
    def of(cls, attribute: str, hint: Any) -> Measured:
        """Read a field's annotation."""
        declared, measure = get_args(hint)
        kinds = get_args(declared) if NoneType in get_args(declared) else (declared,)
        kind = next(one for one in kinds if one is not NoneType)
        return cls(
            attribute=attribute,
            name=measure.name or attribute,
            kind=getattr(kind, "__origin__", kind),
            nullable=NoneType in kinds,
            measure=measure,
        )


#: In the order in which `Probe` has them.
MEASURES = tuple(
    Measured.of(attribute, hint)
    for attribute, hint in get_type_hints(Probe, include_extras=True).items()
)


def columns_of(probe: Probe) -> dict[str, Any]:
    """Give what is written of a video, by column."""
    return {one.name: getattr(probe, one.attribute) for one in MEASURES}


def probe_of(row: Any) -> Probe:
    """Read a video's row, which has a column for each measure."""
    return Probe(**{one.attribute: getattr(row, one.name) for one in MEASURES})


def as_json(value: Any) -> Any:
    """Give a measured value as JSON has it; a float keeps all six decimals of a measurement."""
    match value:
        case enum.Enum():
            return value.value
        case Decimal():
            return float(value)
        case datetime():
            return value.isoformat()
        case _:
            return value
