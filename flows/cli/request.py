"""The options of `run` and `plan`: the fields of a request, as the command line names them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, make_dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from cyclopts import Parameter

from catalog.errors import UsageError
from catalog.money import dollars, parse_dollars
from flows.cli.instructions import read_instructions
from flows.pipeline.request import RunRequest, fields_of


def _options() -> list[tuple[str, Any, Any]]:
    """Give the fields that say how the command line names them: name, kind and default."""
    options: list[tuple[str, Any, Any]] = []
    for part in RunRequest.model_fields.values():
        for name, field in fields_of(part).items():
            named = [one for one in field.metadata if isinstance(one, Parameter)]
            if named:
                options.append((name, Annotated[(field.annotation, *named)], field.default))
    return options


# Flat, so that cyclopts reads each value itself, and words what is wrong with one.
if TYPE_CHECKING:
    RequestOptions: TypeAlias = Any
else:
    RequestOptions = Parameter(name="*")(
        make_dataclass(
            "RequestOptions",
            _options(),
            kw_only=True,
            frozen=True,
            namespace={"__module__": __name__},
        )
    )


def request_of(source: Sequence[str], asked: RequestOptions) -> RunRequest:
    """Give the request that these options make.

    Raises:
        UsageError: if no source is named, an option is no text, or instructions cannot be read.
        SourceError: if there is no such source.
        SettingsError: if the budget is no amount.
    """
    if not source:
        raise UsageError(
            "Name at least one source: a folder, a file, s3://bucket/prefix or @list.txt."
        )
    fields = asdict(asked)
    for option, value in (("--instructions", asked.instructions), ("--budget", asked.budget_usd)):
        if value is not None and not _is_text(value):
            raise UsageError(
                f"{option} is no text in UTF-8; type it in a terminal that writes UTF-8."
            )
    fields["instructions"] = read_instructions(asked.instructions)
    if asked.budget_usd is not None:
        budget = parse_dollars(asked.budget_usd, setting="--budget")
        fields["budget_usd"] = str(dollars(budget))
    from tasks.storage.source import parse_source

    for one in source:
        parse_source(one)  # says what is wrong with it
    return RunRequest.of(sources=source, **fields)


def _is_text(value: str) -> bool:
    """Tell whether it holds no bytes that are no UTF-8."""
    return not any("\ud800" <= sign <= "\udfff" for sign in value)
