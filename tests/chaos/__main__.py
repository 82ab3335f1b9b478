"""`make chaos`: a thousand histories of random faults and kills, and what the books say of them."""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

from chaos.company import play_all
from chaos.kinds import Kind
from chaos.summary import Summary

_SAY_EVERY_SECONDS = 15


def main() -> int:
    """Play, print, and give 0 if every promise was kept."""
    asked = argparse.ArgumentParser(prog="chaos", description=__doc__)
    asked.add_argument("--histories", type=int, default=1000)
    asked.add_argument("--first", type=int, default=0, help="the first seed")
    asked.add_argument("--seed", type=int, default=None, help="play this one alone")
    asked.add_argument("--json", action="store_true", help="print one object")
    asked.add_argument("--at-once", type=int, default=3 * (os.cpu_count() or 1))
    asked.add_argument(
        "--kinds", default="", help=f"only these, by comma: {', '.join(Kind)}; default: all, mixed"
    )
    options = asked.parse_args()
    kinds = tuple(Kind(name.strip()) for name in options.kinds.split(",") if name.strip())
    seeds = range(options.first, options.first + options.histories)
    if options.seed is not None:
        seeds = range(options.seed, options.seed + 1)
    folder = Path(tempfile.mkdtemp(prefix="reelcat-chaos-"))
    summary = Summary(chosen=kinds)
    began = said = time.monotonic()
    at_once = min(options.at_once, len(seeds))
    for outcome in play_all(seeds, folder=folder, at_once=at_once, kinds=kinds):
        summary.add(outcome)
        if outcome.failed:
            _say(outcome.told())
        if time.monotonic() - said > _SAY_EVERY_SECONDS:
            said = time.monotonic()
            _say(f"{summary.histories} of {len(seeds)} histories")
    summary.seconds = time.monotonic() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    summary.processor_seconds = used.ru_utime + used.ru_stime
    sys.stdout.write((summary.as_json() if options.json else summary.told()) + "\n")
    if summary.failed:
        _say(f"What they left behind: {folder}")
    else:
        shutil.rmtree(folder)
    return 0 if summary.is_good and summary.histories == len(seeds) else 1


def _say(words: str) -> None:
    sys.stderr.write(words + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
