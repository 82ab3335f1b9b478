"""What `run` and `plan` can be asked, and how it becomes the options of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from catalog.errors import UsageError
from catalog.money import parse_dollars
from catalog.values import DEFAULT_TASKS, AnalysisType, Order
from flows.cli.flags import Flag
from flows.pipeline.request import RunOptions
from tasks.storage.uris import displayed

#: Named again for each value.
Several = Parameter(negative="", consume_multiple=False)


def _as_written(name: str) -> str:
    """Keep the API's own spelling of a task: `scene_description`."""
    return name.lower()


_POSITIVE = Number(gte=1)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class RequestOptions:
    """What to look for, what to ask about it, and what it may cost."""

    task: Annotated[
        tuple[AnalysisType, ...],
        Several,
        Parameter(name_transform=_as_written, help="What to ask of each video. Repeatable."),
    ] = DEFAULT_TASKS
    instructions: Annotated[
        str,
        Parameter(
            show_default=False,
            help="What else to tell the model, in your own words. Other words are another "
            "question, which is paid for by itself.",
        ),
    ] = ""
    budget: Annotated[
        str | None,
        Parameter(
            help="The most that this run may spend, in dollars. A paid run needs this, or a limit "
            "set with `reelcat budget`."
        ),
    ] = None
    provider: Annotated[
        Literal["wavespeed", "offline"] | None,
        Parameter(
            help="Who describes: wavespeed costs money; offline measures with FFmpeg on this "
            "machine and is free. Default: wavespeed if WAVESPEED_API_KEY is set, else offline."
        ),
    ] = None
    order: Annotated[
        Order, Parameter(help="Which videos come first, and so which ones a budget reaches.")
    ] = Order.NEWEST
    limit: Annotated[
        int | None, Parameter(validator=_POSITIVE, help="Describe at most this many videos.")
    ] = None
    include: Annotated[
        tuple[str, ...],
        Several,
        Parameter(
            show_default=False,
            help="Only files whose path below the source fits this glob. Repeatable.",
        ),
    ] = ()
    exclude: Annotated[
        tuple[str, ...],
        Several,
        Parameter(show_default=False, help="No files that fit this glob. Repeatable."),
    ] = ()
    concurrency: Annotated[
        int | None,
        Parameter(validator=_POSITIVE, help="Predictions at once. Default: what the tier allows."),
    ] = None
    tier: Annotated[
        Literal["bronze", "silver", "gold", "ultra"] | None,
        Parameter(help="The account's tier. Default: REELCAT_TIER, or silver."),
    ] = None
    retry_failed: Annotated[
        bool, Flag, Parameter(help="Try again what failed earlier for good.")
    ] = False
    follow_links: Annotated[
        bool,
        Flag,
        Parameter(
            help="Follow links that lead out of a source, too. Only for folders that nobody else "
            "writes to: who can put a link there chooses what is read and sent."
        ),
    ] = False


def options_of(source: Sequence[str], asked: RequestOptions) -> RunOptions:
    """Give the options of a run.

    Raises:
        UsageError: if no source is named, or the budget is no amount.
    """
    if not source:
        raise UsageError(
            "Name at least one source: a folder, a file, s3://bucket/prefix or @list.txt."
        )
    for option, value in (("--instructions", asked.instructions), ("--budget", asked.budget or "")):
        if not _is_text(value):
            raise UsageError(
                f"{option} is no text in UTF-8; type it in a terminal that writes UTF-8."
            )
    budget = None if asked.budget is None else parse_dollars(asked.budget, setting="--budget")
    return RunOptions(
        sources=tuple(source),
        tasks=tuple(dict.fromkeys(asked.task)),
        instructions=asked.instructions.strip(),
        budget_micros=budget,
        provider=asked.provider,
        order=asked.order,
        limit=asked.limit,
        include=tuple(map(displayed, asked.include)),
        exclude=tuple(map(displayed, asked.exclude)),
        concurrency=asked.concurrency,
        tier=asked.tier,
        retry_failed=asked.retry_failed,
        follow_links=asked.follow_links,
    )


def _is_text(value: str) -> bool:
    """Tell whether it holds no bytes that are no UTF-8."""
    return not any("\ud800" <= sign <= "\udfff" for sign in value)
