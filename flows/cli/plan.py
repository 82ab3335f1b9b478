"""`reelcat plan`: what a run would do and cost."""

from __future__ import annotations

from flows.cli.asked import Asked, options_of
from flows.cli.shared import Json


def plan(
    *source: str, asked: Asked | None = None, nightly: str | None = None, json: Json = False
) -> int:
    """Say what a run would do, skip and cost. Spends nothing.

    Takes the same options as `reelcat run` and goes the same way up to the plan, so what it says
    is what a run would do. A quote is the most that it can cost.

    Example:
        reelcat plan /films
        reelcat plan /films --budget 25 --order oldest
        reelcat plan /films --nightly 25

    Args:
        source: A folder, a file, s3://bucket/prefix, or a list of such (@list.txt, .csv, .jsonl).
        asked: What to ask.
        nightly: Say how many nights the backlog takes at this many dollars a night.
        json: Print one JSON object when done: run_id, status, videos, analyses, money.
    """
    options = options_of(source, asked or Asked())
    from catalog.money import parse_dollars
    from flows.cli.nights import nights
    from flows.cli.summing_up import print_plan
    from flows.cli.terminal import write_json
    from flows.cli.working import work
    from flows.run import plan as begin

    per_night = None if nightly is None else parse_dollars(nightly, setting="--nightly")
    report = work(begin, options, ask=False)
    backlog = None if per_night is None else nights(report.tally.money.quoted, per_night)
    if json:
        write_json(report.as_json() | ({} if backlog is None else {"nightly": backlog.as_json()}))
    else:
        print_plan(report, backlog)
    return report.exit_code
