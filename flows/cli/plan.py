"""`reelcat plan`: what a run would do and cost, and how many nights it would take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from catalog.errors import SettingsError
from catalog.money import dollars, show
from catalog.pricing import MOLMO2_PRICES
from flows.cli.flags import Json
from flows.cli.request import RequestOptions, request_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Backlog:
    """Money to be spent, so much a night."""

    per_night_micros: int
    nights: int

    def as_json(self) -> dict[str, Any]:
        """Give it as `plan --nightly --json` prints it."""
        return {"limit_usd": str(dollars(self.per_night_micros)), "nights": self.nights}


def nights(quoted_micros: int, per_night_micros: int) -> Backlog:
    """Say in how many nights `quoted_micros` are spent.

    >>> nights(100_000_000, 25_000_000).nights, nights(100_000_001, 25_000_000).nights
    (4, 5)
    >>> nights(0, 25_000_000).nights
    0

    Raises:
        SettingsError: if the longest videos would fit no night.
    """
    prices = MOLMO2_PRICES
    dearest = prices.step_micros * prices.most_seconds // prices.step_seconds
    if per_night_micros < dearest:
        raise SettingsError(
            f"--nightly takes at least {show(dearest)}, which is what one analysis of a long "
            "video costs."
        )
    return Backlog(per_night_micros=per_night_micros, nights=-(-quoted_micros // per_night_micros))


def plan(
    *source: str,
    asked: RequestOptions | None = None,
    nightly: str | None = None,
    json: Json = False,
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
    request = request_of(source, asked or RequestOptions())
    from catalog.money import parse_dollars
    from flows.cli.session import work
    from flows.cli.summary import print_plan
    from flows.cli.text import write_json
    from flows.pipeline.run import plan as begin

    per_night = None if nightly is None else parse_dollars(nightly, setting="--nightly")
    report = work(begin, request, ask=False)
    backlog = None if per_night is None else nights(report.stats.money.quoted, per_night)
    if json:
        write_json(report.as_json() | ({} if backlog is None else {"nightly": backlog.as_json()}))
    else:
        print_plan(report, backlog)
    return report.exit_code
