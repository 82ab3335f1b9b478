"""A process of the product: the real flows, database, HTTP and files, forked and ended at will."""

from __future__ import annotations

import asyncio
import faulthandler
import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from chaos.clocks import Clocks
from chaos.stage import settings_for
from chaos.values import Cast, Command, End, Script

from catalog.errors import IllegalMove, ReelcatError
from catalog.money import dollars
from flows import wiring
from flows.cli.app import execute
from flows.pipeline.reconcile import Acknowledge, reconcile
from flows.pipeline.report import RunReport
from flows.pipeline.request import RunRequest
from flows.pipeline.run import run
from flows.pipeline.runner import LocalRunner, RunContext
from flows.wiring import Tempo, open_services
from tasks.foundation import crashpoints
from tasks.runtime.services import Waits
from tasks.runtime.stats import RunStats
from tasks.wavespeed.connection import Limits

_OURS = ("REELCAT_", "WAVESPEED_", "AWS_", "PREFECT_")
#: All well, something is left, and stopped by the account or asked to stop.
_EXPECTED_CODES = {0, 1, 3, 130}
_ASKED_TO_STOP = (signal.SIGTERM,)
_WAITS = Waits(pause=0.02, most_pause=0.2, ask_again=0.02, grace=0.05, beat=0.3)


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """Where a process of the product finds itself."""

    source: str
    database_url: str
    base_url: str
    clocks: Clocks
    machine: str
    #: Where it writes down what it came to, and which crash points it passed.
    told: Path
    points: Path


def start(script: Script, cast: Cast, around: Surroundings) -> int:
    """Fork a process that plays `cast`; gives its number."""
    # Whoever is asked to stop before it listens, or after, has not died of it.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ASKED_TO_STOP)
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return pid
    try:
        crashpoints.record_to(str(around.points))
        if cast.point is not None:
            arm = crashpoints.arm_sleep if cast.end is End.SLEPT else crashpoints.arm
            arm(cast.point, passes=cast.passes)
        _say_where_when_asked(around)
        around.clocks.install()
        socket.gethostname = lambda: around.machine
        if cast.command is Command.AFTER_RESTORE:
            told = _call(script, around, "reconcile", "--after-restore")
        else:
            told = asyncio.run(_play(script, cast, around))
        around.told.write_text(json.dumps(told), encoding="utf-8")
    except BaseException:  # noqa: BLE001 - there is nobody above to tell
        around.told.write_text(json.dumps({"bug": traceback.format_exc()}), encoding="utf-8")
    finally:
        os._exit(0)


def _say_where_when_asked(around: Surroundings) -> None:
    """Write down where every thread and task is when SIGUSR1 comes, for those that hang."""

    def say(*_: object) -> None:
        with around.told.with_suffix(".stacks").open("w", encoding="utf-8") as file:
            for task in asyncio.all_tasks():
                task.print_stack(file=file)
            faulthandler.dump_traceback(file)

    signal.signal(signal.SIGUSR1, say)


async def _play(script: Script, cast: Cast, around: Surroundings) -> dict[str, Any]:
    runner = LocalRunner()
    for number in _ASKED_TO_STOP:
        asyncio.get_running_loop().add_signal_handler(number, runner.stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ASKED_TO_STOP)
    try:
        return await _perform(script, cast, around, runner)
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, _ASKED_TO_STOP)


def _call(script: Script, around: Surroundings, *arguments: str) -> dict[str, Any]:
    """Call the command line, at this process's clocks."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ASKED_TO_STOP)
    for name in [name for name in os.environ if name.startswith(_OURS)]:
        del os.environ[name]
    os.environ |= {
        "REELCAT_DATABASE_URL": around.database_url,
        "REELCAT_POLL_INTERVAL": str(script.poll_gap),
        "REELCAT_SETTLE_DELAY": str(script.settle_delay),
        "REELCAT_WAIT_MINUTES": str(script.patience / 60),
        "REELCAT_EXCLUSIVE_ACCOUNT": str(script.exclusive).lower(),
        "REELCAT_DRIFT_TOLERANCE": str(script.drift_tolerance),
        "REELCAT_TIMEZONE": script.timezone,
        "REELCAT_TIER": "ultra",
        "WAVESPEED_API_KEY": "wsk_chaos",
        "WAVESPEED_BASE_URL": around.base_url,
    }
    os.chdir(around.told.parent)
    tempo = _tempo(script, around)
    wiring.Tempo = lambda: tempo
    out = around.told.with_suffix(".out")
    with out.open("w", encoding="utf-8") as sys.stdout, out.open("a", encoding="utf-8") as err:
        sys.stderr = err
        code = execute(arguments)
    if code not in _EXPECTED_CODES:
        return {"bug": f"{arguments} gave {code}: {out.read_text(encoding='utf-8')}"}
    return {"status": code}


async def _perform(
    script: Script, cast: Cast, around: Surroundings, runner: LocalRunner
) -> dict[str, Any]:
    settings = settings_for(
        around.database_url,
        around.base_url,
        poll_interval=script.poll_gap,
        wait_minutes=script.patience / 60,
        settle_delay=script.settle_delay,
        exclusive_account=script.exclusive,
        drift_tolerance=script.drift_tolerance,
        timezone=script.timezone,
    )
    request = RunRequest.of(
        sources=(around.source,),
        tasks=script.tasks,
        instructions=script.instructions,
        budget_usd=None if cast.budget_micros is None else str(dollars(cast.budget_micros)),
        include=cast.include,
        concurrency=cast.concurrency,
        retry_failed=cast.retry_failed,
    )
    stats = RunStats()
    try:
        async with open_services(settings, request, _tempo(script, around)) as services:
            work = _FLOWS[cast.command]
            context = RunContext(settings=settings, services=services, runner=runner, stats=stats)
            report = await work(request, context)
    except IllegalMove:
        raise
    except ReelcatError as error:
        return {"stopped": f"{type(error).__name__}: {error}", "notices": stats.notices}
    return {"status": report.status, "analyses": asdict(stats.analyses), "notices": stats.notices}


_FLOWS: dict[Command, Callable[..., Awaitable[RunReport]]] = {
    Command.RUN: run,
    Command.RECONCILE: reconcile,
    Command.ACKNOWLEDGE: partial(reconcile, acknowledge=Acknowledge.DRIFT),
}


def _tempo(script: Script, around: Surroundings) -> Tempo:
    return Tempo(
        clock=around.clocks.now,
        waits=_WAITS,
        requests=Limits(
            connect_seconds=5.0,
            submit_read_seconds=script.submit_seconds,
            read_seconds=5.0,
            upload_seconds=5.0,
            backoff_seconds=0.01,
            most_backoff_seconds=0.1,
            most_wait_seconds=0.2,
        ),
    )
