"""What one run is asked to do: one model for the command line, Prefect's form and the catalog.

A field is declared once. `Parameter` says how the command line names it; what has none there is not
asked for on the command line. `Field` says how Prefect's page shows it. Prefect keeps parameters
and shows them to everybody who may look, so no credential is one: the address of a file, which may
be signed, is refused by the model itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from cyclopts import Parameter
from cyclopts.validators import Number
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
)
from pydantic.fields import FieldInfo

from catalog.errors import UsageError
from catalog.money import parse_dollars
from catalog.values import DEFAULT_TASKS, AnalysisType, Order
from tasks.storage.uris import displayed

#: Anything but a web address.
_SOURCE = r"^(?!\s*[hH][tT][tT][pP][sS]?:)\s*\S"
_DOLLARS = r"^\d{1,10}(\.\d{1,6})?$"

#: Named again for each value.
_SEVERAL = Parameter(negative="", consume_multiple=False)
_FLAG = Parameter(negative="", show_default=False)
_POSITIVE = Parameter(validator=Number(gte=1))


def _source(value: Any) -> str:
    """Take a path of any bytes, as the system names it; pydantic's own text is UTF-8 alone."""
    if isinstance(value, str) and re.match(_SOURCE, value):
        return value
    raise ValueError("a source is a folder, a file, s3://bucket/prefix or @list.txt")


def _as_written(name: str) -> str:
    """Keep the API's own spelling of a task: `scene_description`."""
    return name.lower()


def _shown(value: Any) -> Any:
    return displayed(value) if isinstance(value, str) else value


def _once_each(tasks: tuple[AnalysisType, ...]) -> tuple[AnalysisType, ...]:
    return tuple(dict.fromkeys(tasks))


Source = Annotated[
    str, PlainValidator(_source), WithJsonSchema({"type": "string", "pattern": _SOURCE})
]
Glob = Annotated[str, BeforeValidator(_shown)]


class _Part(BaseModel):
    """A part of a request; a misspelled field is refused before a run begins."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, regex_engine="python-re"
    )


class Questions(_Part):
    """What is asked about each video."""

    tasks: Annotated[
        tuple[AnalysisType, ...],
        AfterValidator(_once_each),
        _SEVERAL,
        Parameter(
            name="--task",
            name_transform=_as_written,
            help="What to ask of each video. Repeatable. general: an open description, or an "
            "answer to the instructions; summary: a short overview; analysis: its parts in detail; "
            "counting: how many people, things or events; scene_description: what is to be seen, "
            "scene by scene.",
        ),
    ] = Field(
        default=DEFAULT_TASKS,
        min_length=1,
        title="Tasks",
        description="What to ask of each video; each is paid for.",
    )
    instructions: Annotated[
        str,
        AfterValidator(str.strip),
        Parameter(
            show_default=False,
            help="What else to tell the model, in your own words, or @FILE with them in UTF-8. "
            "Other words are another question, which is paid for by itself.",
        ),
    ] = Field(
        default="",
        title="Instructions",
        description="What else to tell the model. Other words are another question, paid anew.",
    )
    retry_failed: Annotated[
        bool, _FLAG, Parameter(help="Try again what failed earlier for good.")
    ] = Field(
        default=False,
        title="Retry failed",
        description="Try again what failed earlier for good.",
    )


class Spending(_Part):
    """What it may cost."""

    budget_usd: Annotated[
        str | None,
        Parameter(
            name="--budget",
            help="The most that this run may spend, in dollars. A paid run needs this, or a limit "
            "set with `reelcat budget`.",
        ),
    ] = Field(
        default=None,
        pattern=_DOLLARS,
        title="Budget of this run, in dollars",
        description="The most that this run may spend. What `reelcat budget` set for a day or a "
        "month holds besides, over all runs together. A paid run needs one or the other.",
        examples=["25", "0.50"],
    )
    provider: Annotated[
        Literal["wavespeed", "offline"] | None,
        Parameter(
            help="Who describes: wavespeed costs money; offline measures with FFmpeg on this "
            "machine and is free. Default: wavespeed if WAVESPEED_API_KEY is set, else offline."
        ),
    ] = Field(
        default=None,
        title="Provider",
        description="wavespeed costs money; offline measures with FFmpeg on the worker and is "
        "free. Empty: as the worker is set, else wavespeed if it has a key.",
    )


class Videos(_Part):
    """Which videos, and which of them first."""

    sources: tuple[Source, ...] = Field(
        default=(),
        title="Sources",
        description="Folders, files, s3://bucket/prefix or lists (@list.txt), as the worker sees "
        "them. Empty: those in REELCAT_SOURCES of the worker.",
        examples=[["/films", "s3://films/2009"]],
    )
    include: Annotated[
        tuple[Glob, ...],
        _SEVERAL,
        Parameter(
            show_default=False,
            help="Only files whose path below the source fits this glob. Repeatable.",
        ),
    ] = Field(
        default=(),
        title="Include",
        description="Only files whose path below the source fits one of these globs.",
        examples=[["**/*.mov"]],
    )
    exclude: Annotated[
        tuple[Glob, ...],
        _SEVERAL,
        Parameter(show_default=False, help="No files that fit this glob. Repeatable."),
    ] = Field(default=(), title="Exclude", description="No files that fit one of these globs.")
    order: Annotated[
        Order, Parameter(help="Which videos come first, and so which ones a budget reaches.")
    ] = Field(
        default=Order.NEWEST,
        title="Order",
        description="Which videos come first, and so which ones a budget reaches.",
    )
    limit: Annotated[
        int | None, _POSITIVE, Parameter(help="Describe at most this many videos.")
    ] = Field(default=None, ge=1, title="Limit", description="Describe at most this many videos.")
    follow_links: Annotated[
        bool,
        _FLAG,
        Parameter(
            help="Follow links that lead out of a source, too. Only for folders that nobody else "
            "writes to: who can put a link there chooses what is read and sent."
        ),
    ] = Field(
        default=False,
        title="Follow links",
        description="Follow links that lead out of a source, too. Who can put one there chooses "
        "what is read and sent.",
    )


class Pace(_Part):
    """How fast."""

    tier: Annotated[
        Literal["bronze", "silver", "gold", "ultra"] | None,
        Parameter(help="The account's tier. Default: REELCAT_TIER, or silver."),
    ] = Field(
        default=None,
        title="Tier",
        description="The account's tier. Empty: REELCAT_TIER of the worker, or silver.",
    )
    concurrency: Annotated[
        int | None,
        _POSITIVE,
        Parameter(help="Predictions at once. Default: what the tier allows."),
    ] = Field(
        default=None,
        ge=1,
        title="Concurrency",
        description="Predictions at once. Empty: what the tier allows.",
    )
    workers: int = Field(
        default=1,
        ge=1,
        le=64,
        title="Workers",
        description="How many workers share the run, this one among them. The others are asked for "
        "as runs of the deployment `join`, and need the same catalog and the same sources.",
    )


class RunRequest(_Part):
    """One run, as somebody asked for it. Each part is a parameter of the flow."""

    questions: Questions = Questions()
    spending: Spending = Spending()
    videos: Videos = Videos()
    pace: Pace = Pace()

    @classmethod
    def of(cls, **fields: Any) -> Self:
        """Make one of the fields of its parts, each by its own name; no two parts share one."""
        return cls.model_validate(
            {
                part: {name: fields.pop(name) for name in list(fields_of(info)) if name in fields}
                for part, info in cls.model_fields.items()
            }
            | fields
        )

    @property
    def budget_micros(self) -> int | None:
        """The run's own limit in micro-dollars; None for none."""
        budget = self.spending.budget_usd
        return None if budget is None else parse_dollars(budget, setting="budget_usd")

    @property
    def parameters(self) -> dict[str, Any]:
        """The flow's parameters that ask for the same."""
        return {name: getattr(self, name) for name in RunRequest.model_fields}

    def of_sources(self, sources: Sequence[str]) -> RunRequest:
        """Ask the same of these sources."""
        videos = self.videos.model_copy(update={"sources": tuple(sources)})
        return self.model_copy(update={"videos": videos})


def fields_of(part: FieldInfo) -> Mapping[str, FieldInfo]:
    """Give the fields of a part of a request."""
    return (part.annotation or _Part).model_fields


class Sharing(_Part):
    """Which run another worker shares."""

    run_id: str = Field(
        pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        title="Run",
        description="The run's id in the catalog, as its log names it.",
    )
    sources: tuple[Source, ...] = Field(
        default=(),
        title="Sources",
        description="Those of its sources to work on. Empty: all of them.",
    )


def with_sources(request: RunRequest, standing_sources: Sequence[str]) -> RunRequest:
    """Give the request; where it names no source, with those of the worker's settings.

    Raises:
        UsageError: if neither names one.
    """
    if request.videos.sources:
        return request
    if not standing_sources:
        raise UsageError(
            "No source is named; give the deployment one, or set REELCAT_SOURCES on the worker."
        )
    return request.of_sources(standing_sources)


def stored(request: RunRequest) -> dict[str, Any]:
    """Give a request as the catalog keeps it with its run; nothing in it is a secret."""
    return request.model_dump(mode="json")


def read_stored(parameters: Mapping[str, Any]) -> RunRequest:
    """Give the request of a run from what the catalog keeps; also from what version 0.1 kept.

    That had the fields of all parts side by side.
    """
    names = set(RunRequest.model_fields)
    if "videos" not in parameters:
        names = {name for info in RunRequest.model_fields.values() for name in fields_of(info)}
    return RunRequest.of(**{name: one for name, one in parameters.items() if name in names})
