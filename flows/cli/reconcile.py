"""`reelcat reconcile`: collect, settle, compare with the bill."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from cyclopts import Parameter

from flows.cli.flags import Flag, Json, Span


def reconcile(
    *,
    assume_lost: Annotated[tuple[int, ...], Parameter(negative="", consume_multiple=False)] = (),
    older_than: Span | None = None,
    acknowledge_drift: Annotated[bool, Flag] = False,
    after_restore: Annotated[bool, Flag] = False,
    json: Json = False,
) -> int:
    """Collect what earlier runs left out, and compare with the provider's bill. Buys nothing.

    Fetches answers before the provider forgets them (after 7 days), finds out what became of
    submissions whose answer was lost, and books what the bill says. Every run does this too.

    Example:
        reelcat reconcile
        reelcat reconcile --assume-lost 17
        reelcat reconcile --older-than 8d
        reelcat reconcile --after-restore

    Args:
        assume_lost: Give up an uncertain prediction, by its number in `reelcat status`: you have
            seen in the provider's own records that it never arrived. Its money is free again and
            its analysis may be bought anew. Repeatable.
        older_than: Give up every uncertain prediction that was sent longer ago, such as 8d or 12h.
            After 7 days the provider's list proves nothing any more.
        acknowledge_drift: Take note of bills that are higher than was quoted, as `reelcat status`
            shows them, so that paid runs go on.
        after_restore: The catalog was put back from a backup: find at the provider what it bought
            since, collect that and count it, so that nothing is bought again. Do this before the
            next run.
        json: Print one JSON object when done.
    """
    from flows.cli.session import work
    from flows.cli.summary import print_reconciled
    from flows.cli.text import write_json
    from flows.pipeline.reconcile import Acknowledge
    from flows.pipeline.reconcile import reconcile as begin
    from flows.pipeline.request import RunRequest

    asked = partial(
        begin,
        assume_lost=assume_lost,
        older_than=older_than,
        acknowledge=Acknowledge.DRIFT if acknowledge_drift else Acknowledge.NOTHING,
        after_restore=after_restore,
    )
    report = work(asked, RunRequest(), ask=False)
    if json:
        write_json(report.as_json())
    else:
        print_reconciled(report)
    return report.exit_code
