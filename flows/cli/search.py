"""`reelcat search`: which videos speak of something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from catalog.errors import UsageError
from flows.cli.flags import Json

if TYPE_CHECKING:
    from rich.text import Text

    from catalog.search import Found, Hit


def search(
    *query: Annotated[str, Parameter(allow_leading_hyphen=True)],
    limit: int = 20,
    json: Json = False,
) -> int:
    r"""Find videos by their names, tags and answers.

    All words must be there. "Words in quotes" stand side by side, -word must not be there, word*
    is the beginning of a word. A shell eats quotes, so put them in quotes of the other kind.

    Example:
        reelcat search harbour
        reelcat search 'harbour "fishing boat" -night sail*'
        reelcat search harbour --json

    Args:
        query: What to look for.
        limit: Show at most this many, the best first.
        json: Print one JSON object: query, total, results.
    """
    for word in query:
        if word.startswith("--"):
            message = f"There is no option {word}; to leave out a word write -{word.lstrip('-')}."
            raise UsageError(message)
    from catalog.search import parse
    from catalog.search import search as find
    from flows.cli.reading import open_to_read
    from flows.cli.text import clean, write_json

    asked = parse(clean(" ".join(query)))
    with open_to_read() as reading:
        found = find(reading.connection, asked, limit=max(1, limit))
    if json:
        results = [
            {
                "content_id": hit.content_id,
                "score": hit.score,
                "names": list(hit.names),
                "snippet": hit.snippet,
            }
            for hit in found.hits
        ]
        write_json({"query": str(asked), "total": found.total, "results": results})
    else:
        _print(found)
    return 0


def _print(found: Found) -> None:
    from rich.text import Text

    from flows.cli.text import counted, one_line, output

    console = output()
    if not found.hits:
        console.print("Nothing found.")
        return
    for hit in found.hits:
        title = Text(one_line(hit.names[0] if hit.names else "(lies nowhere now)"), style="bold")
        if len(hit.names) > 1:
            title.append(f" (and {counted(len(hit.names) - 1, 'other place')})", style="dim")
        title.append(f"  {hit.content_id}", style="dim")
        console.print(title, soft_wrap=True)
        console.print(_highlighted(hit), soft_wrap=True)
    if found.total > len(found.hits):
        console.print(
            f"{len(found.hits):,} of {found.total:,}; `--limit {found.total}` shows all.",
            style="dim",
        )


def _highlighted(hit: Hit) -> Text:
    from rich.text import Text

    from flows.cli.text import clean

    line = Text("  ")
    at = 0
    for start, end in hit.matches:
        line.append(clean(hit.snippet[at:start]))
        line.append(clean(hit.snippet[start:end]), style="bold yellow")
        at = end
    line.append(clean(hit.snippet[at:]))
    return line
