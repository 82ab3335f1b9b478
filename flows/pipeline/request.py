"""What one run is asked to do: the forms on Prefect's page, and the options that they become.

Prefect keeps parameters and shows them to everybody who may look, so no credential is one: the
address of a file, which may be signed, is refused by the form itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from catalog.errors import UsageError
from catalog.money import dollars, parse_dollars
from catalog.values import DEFAULT_TASKS, AnalysisType, Order


@dataclass(frozen=True, kw_only=True, slots=True)
class RunOptions:
    """One run, in plain values."""

    sources: tuple[str, ...]
    tasks: tuple[AnalysisType, ...] = DEFAULT_TASKS
    #: Empty for none.
    instructions: str = ""
    #: The run's own limit in micro-dollars; None for none.
    budget_micros: int | None = None
    #: `wavespeed`, `offline`, or None to let the settings decide.
    provider: str | None = None
    order: Order = Order.NEWEST
    #: At most this many videos are described; None for all.
    limit: int | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    #: Predictions in flight at once; None for what the tier allows.
    concurrency: int | None = None
    tier: str | None = None
    retry_failed: bool = False
    #: Follow links that lead out of a source, where the settings do not do so already.
    follow_links: bool = False
    #: How many workers share the run, this one among them.
    workers: int = 1
    #: The run that this one shares: its work, its budget, its end; None for a run of its own.
    shares: str | None = field(default=None, repr=False)
    flow_run_id: str | None = field(default=None, repr=False)


#: Anything but a web address.
_SOURCE = r"^(?!\s*[hH][tT][tT][pP][sS]?:)\s*\S"
_DOLLARS = r"^\d{1,9}(\.\d{1,6})?$"


class _Form(BaseModel):
    """A part of the form; a misspelled field is refused before a run begins."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, regex_engine="python-re"
    )


class Videos(_Form):
    """Which videos, and which of them first."""

    sources: tuple[Annotated[str, Field(pattern=_SOURCE)], ...] = Field(
        default=(),
        title="Sources",
        description="Folders, files, s3://bucket/prefix or lists (@list.txt), as the worker sees "
        "them. Empty: those in REELCAT_SOURCES of the worker.",
        examples=[["/films", "s3://films/2009"]],
    )
    include: tuple[str, ...] = Field(
        default=(),
        title="Include",
        description="Only files whose path below the source fits one of these globs.",
        examples=[["**/*.mov"]],
    )
    exclude: tuple[str, ...] = Field(
        default=(), title="Exclude", description="No files that fit one of these globs."
    )
    order: Order = Field(
        default=Order.NEWEST,
        title="Order",
        description="Which videos come first, and so which ones a budget reaches.",
    )
    limit: int | None = Field(
        default=None, ge=1, title="Limit", description="Describe at most this many videos."
    )
    follow_links: bool = Field(
        default=False,
        title="Follow links",
        description="Follow links that lead out of a source, too. Who can put one there chooses "
        "what is read and sent.",
    )


class Questions(_Form):
    """What is asked about each video."""

    tasks: tuple[AnalysisType, ...] = Field(
        default=DEFAULT_TASKS,
        min_length=1,
        title="Tasks",
        description="What to ask of each video; each is paid for.",
    )
    instructions: str = Field(
        default="",
        title="Instructions",
        description="What else to tell the model. Other words are another question, paid anew.",
    )
    retry_failed: bool = Field(
        default=False,
        title="Retry failed",
        description="Try again what failed earlier for good.",
    )


class Spending(_Form):
    """What it may cost."""

    budget_usd: str | None = Field(
        default=None,
        pattern=_DOLLARS,
        title="Budget of this run, in dollars",
        description="The most that this run may spend. What `reelcat budget` set for a day or a "
        "month holds besides, over all runs together. A paid run needs one or the other.",
        examples=["25", "0.50"],
    )
    provider: Literal["wavespeed", "offline"] | None = Field(
        default=None,
        title="Provider",
        description="wavespeed costs money; offline measures with FFmpeg on the worker and is "
        "free. Empty: as the worker is set, else wavespeed if it has a key.",
    )


class Pace(_Form):
    """How fast."""

    tier: Literal["bronze", "silver", "gold", "ultra"] | None = Field(
        default=None,
        title="Tier",
        description="The account's tier. Empty: REELCAT_TIER of the worker, or silver.",
    )
    concurrency: int | None = Field(
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


class Sharing(_Form):
    """Which run another worker shares."""

    run_id: str = Field(
        pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        title="Run",
        description="The run's id in the catalog, as its log names it.",
    )
    sources: tuple[Annotated[str, Field(pattern=_SOURCE)], ...] = Field(
        default=(),
        title="Sources",
        description="Those of its sources to work on. Empty: all of them.",
    )


def options_of(
    videos: Videos,
    questions: Questions,
    spending: Spending,
    pace: Pace,
    *,
    standing_sources: Sequence[str],
    flow_run_id: str | None,
) -> RunOptions:
    """Give the options of a run.

    Raises:
        UsageError: if neither the form nor the worker's settings name a source.
    """
    sources = videos.sources or tuple(standing_sources)
    if not sources:
        raise UsageError(
            "No source is named; give the deployment one, or set REELCAT_SOURCES on the worker."
        )
    budget = spending.budget_usd
    return RunOptions(
        sources=sources,
        tasks=tuple(dict.fromkeys(questions.tasks)),
        instructions=questions.instructions.strip(),
        budget_micros=None if budget is None else parse_dollars(budget, setting="budget_usd"),
        provider=spending.provider,
        order=videos.order,
        limit=videos.limit,
        include=videos.include,
        exclude=videos.exclude,
        concurrency=pace.concurrency,
        tier=pace.tier,
        retry_failed=questions.retry_failed,
        follow_links=videos.follow_links,
        workers=pace.workers,
        flow_run_id=flow_run_id,
    )


def parameters_of(options: RunOptions) -> dict[str, Any]:
    """Give the parameters that lead to these options: the way back from `options_of`."""
    budget = options.budget_micros
    return {
        "videos": Videos(
            sources=options.sources,
            include=options.include,
            exclude=options.exclude,
            order=options.order,
            limit=options.limit,
            follow_links=options.follow_links,
        ),
        "questions": Questions(
            tasks=options.tasks,
            instructions=options.instructions,
            retry_failed=options.retry_failed,
        ),
        "spending": Spending.model_validate(
            {
                "budget_usd": None if budget is None else str(dollars(budget)),
                "provider": options.provider,
            }
        ),
        "pace": Pace.model_validate(
            {
                "tier": options.tier,
                "concurrency": options.concurrency,
                "workers": options.workers,
            }
        ),
    }
