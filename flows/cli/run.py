"""`reelcat run`: find, measure, and have described within a budget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from flows.cli.flags import Flag, Json
from flows.cli.request import RequestOptions, request_of

if TYPE_CHECKING:
    from flows.cli.session import Begin


def run(
    *source: str,
    asked: RequestOptions | None = None,
    yes: Annotated[bool, Flag, Parameter(name=["--yes", "-y"])] = False,
    prefect: bool | None = None,
    json: Json = False,
) -> int:
    """Catalog videos within a budget. Spends money, unless the provider is offline.

    Finds what is new or changed, measures it, shows what describing it would cost, and on a
    terminal asks before anything is spent. What was described before is not paid again. Ctrl-C
    stops submitting; the next run collects what is still out.

    Example:
        reelcat run /films
        reelcat run /films s3://archive/2009/ --budget 25 --order oldest
        reelcat run @list.txt --task counting --instructions "boats" --budget 3

    Args:
        source: A folder, a file, s3://bucket/prefix, or a list of such (@list.txt, .csv, .jsonl).
        asked: What to ask.
        yes: Do not ask before spending; without a terminal nobody is asked either.
        prefect: Run it as a flow that a Prefect server records and shows. Default: if a server is
            configured, by PREFECT_API_URL or a Prefect profile.
        json: Print one JSON object when done: run_id, status, videos, analyses, money.
    """
    request = request_of(source, asked or RequestOptions())
    from catalog.errors import AccountStopped
    from flows.cli.session import work
    from flows.cli.summary import print_run
    from flows.cli.text import write_json

    try:
        report = work(_way(prefect=prefect), request, ask=not yes, pings=True)
    except AccountStopped as error:
        if json:
            write_json({"run_id": None, "status": "account_stopped", "stopped_by": str(error)})
        raise
    if json:
        write_json(report.as_json())
    else:
        print_run(report)
    return report.exit_code


def _way(*, prefect: bool | None) -> Begin:
    """Choose between the two ways in to the same run."""
    from flows.prefect_support.load import import_prefect, prefect_is_configured

    if prefect_is_configured() if prefect is None else prefect:
        import_prefect()
        from flows.prefect_support.launch import run_through_prefect

        return run_through_prefect
    from flows.pipeline.run import run as run_here

    return run_here
