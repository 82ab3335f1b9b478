"""The options of `run` and `plan`: the fields of a request, as the command line names them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, make_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from cyclopts import Parameter

from catalog.errors import UsageError
from catalog.money import dollars, parse_dollars
from flows.pipeline.request import RunRequest, fields_of

#: Far more than anybody asks; a video that is named by mistake ends here.
_MOST_BYTES = 16 * 1024


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


def read_instructions(asked: str) -> str:
    r"""Give the words for the model, without space around them.

    `@file` reads a file in UTF-8, in which a line may end as on any system; `@@` begins with an @.

    >>> read_instructions(" Name the boats. "), read_instructions("@@home")
    ('Name the boats.', '@home')

    Raises:
        UsageError: the file cannot be read, or holds none.
    """
    text = asked.strip()
    if text.startswith("@@"):
        return text[1:]
    return _read(text[1:]) if text.startswith("@") else text


def _read(name: str) -> str:
    if not name:
        raise UsageError("--instructions is a bare @; name a file after it, as in @boats.txt.")
    try:
        with Path(name).open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a null character
        reason = getattr(error, "strerror", None) or "it is no name of a file"
        raise UsageError(
            f"--instructions: {name} cannot be read: {reason}; name a text file after the @, or "
            "write @@ for words that begin with one."
        ) from None
    if len(content) > _MOST_BYTES:
        raise UsageError(
            f"--instructions: {name} is longer than {_MOST_BYTES // 1024} KiB; shorten it."
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"--instructions: {name} is no text in UTF-8; save it as such.") from None
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if not text or "\0" in text:
        what = "holds a null character" if text else "is empty"
        raise UsageError(f"--instructions: {name} {what}; write into it what the model is told.")
    return text
