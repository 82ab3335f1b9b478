"""Small runs, whole: `reelcat run` on a folder beside the script that people write.

Both are processes, measured from their start to their end, one after the other, with a sandbox of
its own each: reelcat looks at the clips, quotes, uploads, describes, compares the bill and keeps
all of it; the script (`threads_script.py`: 128 threads, one look a second, no database) uploads,
describes and appends the answers to a file. Answers take 3 s (sigma 0.15), clips have two seconds.
The account has no limits that bind, and reelcat is told of none but the highest tier's. With
faults, 5 % of submissions are accepted and their answers lost, 10 % are refused with 429, and 10 %
of polls are broken. "Paid twice" is what the sandbox accepted beyond one for each clip.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from statistics import median

import films
from tables import table

from tasks.sandbox.faults import Fault, FaultPlan
from tasks.sandbox.options import Mode, SandboxOptions
from tasks.sandbox.server import RunningSandbox, Where, running_sandbox

_ANSWER_SECONDS, _SIGMA = 3.0, 0.15
_CLIP_SECONDS = Decimal(2)
_FAULTS = {
    Fault.SUBMIT_LOST_RESET: 0.05,
    Fault.SUBMIT_429: 0.1,
    Fault.POLL_502: 0.05,
    Fault.POLL_RESET: 0.05,
}
#: What is measured how often; the median of the ratios counts.
_LOADS = (
    ("12 clips", 12, {}, 3),
    ("300 clips", 300, {}, 3),
    ("120 clips, with faults", 120, _FAULTS, 3),
)


@dataclass(frozen=True, kw_only=True)
class Run:
    """One whole run of either."""

    wall_seconds: float
    cpu_seconds: float
    #: Predictions that the sandbox accepted beyond one for each clip.
    paid_twice: int
    polls_each: float


def main() -> str:
    """Measure, and give the table."""
    rows = [asyncio.run(_compare(*load)) for load in _LOADS]
    headings = ["what", "script s", "reelcat s", "reelcat ÷ script", "script: CPU s"]
    headings += ["reelcat: CPU s", "script: polls each", "reelcat: polls each"]
    headings += ["script: paid twice", "reelcat: paid twice", "load"]
    return table(headings, rows)


async def _compare(
    name: str, count: int, faults: Mapping[Fault, float], times: int
) -> tuple[object, ...]:
    scripts, ours = [], []
    with tempfile.TemporaryDirectory(prefix="reelcat-bench-") as place:
        folder = Path(place, "clips")
        films.many(folder, count)
        for number in range(times):
            scripts.append(await _run(_script, folder, count, faults, seed=number))
            ours.append(await _run(_reelcat, folder, count, faults, seed=number))
    return (
        name,
        median(one.wall_seconds for one in scripts),
        median(one.wall_seconds for one in ours),
        median(
            mine.wall_seconds / theirs.wall_seconds
            for mine, theirs in zip(ours, scripts, strict=True)
        ),
        median(one.cpu_seconds for one in scripts),
        median(one.cpu_seconds for one in ours),
        median(one.polls_each for one in scripts),
        median(one.polls_each for one in ours),
        max(one.paid_twice for one in scripts),
        max(one.paid_twice for one in ours),
        os.getloadavg()[0],
    )


def _script(folder: Path, place: str) -> list[str]:
    script = Path(__file__).with_name("threads_script.py")
    return [sys.executable, str(script), str(folder), f"{place}/answers.jsonl"]


def _reelcat(folder: Path, place: str) -> list[str]:  # noqa: ARG001 - the environment says where
    program = str(Path(sys.executable).with_name("reelcat"))
    asked = ["--task", "summary", "--budget", "100", "--tier", "ultra", "--yes", "--json"]
    return [program, "run", str(folder), *asked]


async def _run(
    command_of: Callable[[Path, str], list[str]],
    folder: Path,
    count: int,
    faults: Mapping[Fault, float],
    *,
    seed: int,
) -> Run:
    options = SandboxOptions(
        mode=Mode.CANNED,
        seed=seed,
        latency_mean_seconds=_ANSWER_SECONDS,
        latency_sigma=_SIGMA,
        canned_seconds=_CLIP_SECONDS,
        faults=FaultPlan(rates=faults, seed=seed),
    )
    with tempfile.TemporaryDirectory(prefix="reelcat-bench-") as place:
        async with running_sandbox(options, where=Where.PROCESS) as sandbox:
            command = command_of(folder, place)
            began, cpu = time.perf_counter(), _cpu_of_children()
            await asyncio.to_thread(_start, command, place, sandbox)
            wall, used = time.perf_counter() - began, _cpu_of_children() - cpu
            audit = await sandbox.audit()
    return Run(
        wall_seconds=wall,
        cpu_seconds=used,
        paid_twice=audit["accepted"] - count,
        polls_each=audit["polls"] / count,
    )


def _start(command: Sequence[str], place: str, sandbox: RunningSandbox) -> None:
    surroundings = {
        "PATH": os.environ["PATH"],
        "HOME": place,
        "WAVESPEED_BASE_URL": sandbox.base_url,
        "WAVESPEED_API_KEY": sandbox.api_key,
        "REELCAT_DATABASE_URL": f"sqlite:///{place}/catalog.db",
    }
    done = subprocess.run(command, cwd=place, env=surroundings, capture_output=True, check=False)
    if done.returncode != 0:
        told = (done.stdout + done.stderr).decode()
        raise SystemExit(f"{command[0]} ended with {done.returncode}: {told}")


def _cpu_of_children() -> float:
    """User and system time of the processes that have ended."""
    used = os.times()
    return used.children_user + used.children_system


if __name__ == "__main__":
    print(main())
