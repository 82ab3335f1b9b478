"""What happens in one history, drawn from its seed before anything runs. Pure."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from chaos.faultplans import (
    CORE_POINTS,
    DRAWN_POINTS,
    PROVOKED,
    RARE_POINTS,
    STRANGERS,
    around,
    draw_plan,
)
from chaos.values import Cast, Command, End, Place, Script, Step

from catalog.values import AnalysisType
from tasks.sandbox.faults import Fault, FaultPlan
from tasks.sandbox.options import CreditRefusal, Mode, Rounding, SandboxOptions

#: Every video lasts so long, so that the quote and the sandbox's price agree without a look at it.
VIDEO_SECONDS = 7
QUOTE_MICROS = 10_000

HOUR = 3600.0
DAY = 24 * HOUR
#: As long as the provider remembers anything, and then some.
WEEK_AND_A_DAY = 8 * DAY
#: One history in so many goes where chance hardly leads.
_PROVOKED_EVERY = 25
_FAST_SETTLE = 0.4
_SLOW_SETTLE = 90.0


def draw_script(seed: int) -> Script:
    """Draw the history of a seed: the same seed gives the same script."""
    rng = random.Random(f"chaos:{seed}")
    slow = rng.random() < 0.12
    exclusive = rng.random() < 0.25
    retry_failed = rng.random() < 0.1
    avoided = _avoided(slow=slow, exclusive=exclusive, retry_failed=retry_failed)
    settle_delay = _SLOW_SETTLE if slow else _FAST_SETTLE
    stalls = rng.random() < 0.1  # for a real timeout the answer must stay away longer than that
    tasks = tuple(rng.sample(list(AnalysisType), rng.randint(1, 3)))
    day = rng.choice([None, None, rng.randint(1, 16) * QUOTE_MICROS, 2_000_000])
    script = Script(
        seed=seed,
        place=Place.WEB if rng.random() < 0.35 else Place.FOLDER,
        tasks=tasks,
        instructions=rng.choice(["", "", "Name every boat."]),
        sandbox=SandboxOptions(
            api_key="wsk_chaos",
            mode=Mode.CANNED,
            seed=seed,
            canned_seconds=Decimal(VIDEO_SECONDS),
            latency_scale=rng.choice([0.0, 0.002, 0.01]),
            balance_micros=rng.choice([100_000_000] * 3 + [rng.randint(1, 8) * QUOTE_MICROS]),
            rounding=rng.choice([Rounding.BLOCKS, Rounding.BLOCKS, Rounding.PER_SECOND]),
            discount=rng.choice([Decimal(0)] * 3 + [Decimal("0.35")]),
            credit_refusal=rng.choice(list(CreditRefusal)),
            refund_delay_seconds=rng.choice([0.0, 0.0, HOUR, 3 * HOUR]),
            include_inputs=rng.random() < 0.8,
            list_total=rng.random() < 0.5,
            list_lag_seconds=60.0 if slow else rng.choice([0.0, 0.0, _FAST_SETTLE / 4]),
            faults=draw_plan(rng, seed, without=avoided),
            control=True,
            stall_seconds=1.5 if stalls else 0.15,
            retry_after_seconds=rng.choice([0, 0, 1]),
        ),
        strangers=0 if exclusive else rng.choice([0, 0, 0, 0, 1, 1, 130, 240]),
        skew=rng.choice([0.0, 0.0, 200.0, -200.0]),
        settle_delay=settle_delay,
        exclusive=exclusive,
        patience=0.6,
        poll_gap=0.02,
        submit_seconds=0.8 if stalls else 10.0,
        drift_tolerance=Decimal(rng.choice(["0", "0.02", "5"])),
        timezone=rng.choice(["UTC", "Pacific/Kiritimati", "America/Los_Angeles"]),
        day_micros=day,
        steps=(),
    )
    script = replace(script, lags=slow or script.sandbox.list_lag_seconds > 0)
    steps = tuple(
        _step(rng, script, number, avoided, retry_failed=retry_failed)
        for number in range(rng.randint(2, 4))
    )
    script = replace(script, steps=steps)
    return script if seed % _PROVOKED_EVERY else _provoked(script, seed // _PROVOKED_EVERY)


def _provoked(script: Script, number: int) -> Script:
    """Let an early process come to, and die at, a point where hardly any comes by itself."""
    point = list(PROVOKED)[number % len(PROVOKED)]
    plan = FaultPlan(rates=PROVOKED[point], seed=script.seed)
    first, *later = script.steps
    dying = Cast(command=Command.RUN, end=End.CRASHED, point=point, budget_micros=5_000_000)
    return replace(
        script,
        place=Place.FOLDER,  # what lies in the web is not uploaded
        sandbox=replace(script.sandbox, faults=plan),
        steps=(*_leading_to(dying, first), *later),
    )


def _leading_to(dying: Cast, first: Step) -> tuple[Step, ...]:
    """Let the process that dies be the first; or come when a bill is silent and not only late."""
    if dying.point not in around("heed_silence"):
        return (replace(first, cast=(dying,), faults=None),)
    buying = replace(dying, end=End.BY_ITSELF, point=None)
    return (
        replace(first, cast=(buying,), faults=None),
        Step(cast=(dying,), advance=2 * HOUR),
    )


def _avoided(*, slow: bool, exclusive: bool, retry_failed: bool) -> set[Fault]:
    """Name what would break what the product's settings promise it."""
    avoided: set[Fault] = set()
    if not slow:
        avoided.add(Fault.LIST_LAG)
    if exclusive:
        avoided |= STRANGERS
    if retry_failed:  # whoever asks to buy an empty answer again pays for it again
        avoided |= {fault for fault in Fault if fault.startswith("output-")}
    return avoided


def _step(
    rng: random.Random, script: Script, number: int, avoided: set[Fault], *, retry_failed: bool
) -> Step:
    count = 2 if rng.random() < 0.3 else 1
    advance = 0.0 if number == 0 else rng.choice([0.0, 0.0, 0.0, 120.0, 2 * HOUR, 25 * HOUR])
    if number and rng.random() < 0.04:
        advance = WEEK_AND_A_DAY
    raised = script.day_micros is not None and number and rng.random() < 0.4
    return Step(
        cast=tuple(
            _cast(rng, script, number, advance, retry_failed=retry_failed) for _ in range(count)
        ),
        advance=advance,
        balance_micros=100_000_000 if number and rng.random() < 0.4 else None,
        day_micros=(script.day_micros or 0) + number * 40_000 if raised else None,
        faults=draw_plan(rng, script.seed * 100 + number, without=avoided)
        if number and rng.random() < 0.4
        else None,
    )


def _cast(
    rng: random.Random, script: Script, number: int, slept: float, *, retry_failed: bool
) -> Cast:
    likely = [Command.RUN] * 8 + [Command.RECONCILE] * 2 + [Command.ACKNOWLEDGE]
    command = Command.RUN if number == 0 else rng.choice(likely)
    end = rng.choice(
        [End.BY_ITSELF, End.KILLED, End.CRASHED, End.CRASHED, End.CRASHED, End.STOPPED]
    )
    point, passes = _point(rng, command, number, slept)
    return Cast(
        command=command,
        end=end,
        after=rng.uniform(0.05, 0.9),
        point=point if end is End.CRASHED else None,
        passes=passes,
        budget_micros=run_budget(rng, script),
        include=rng.choice([(), (), ("clip-[0-2].mp4",), ("clip-[2-5].mp4",)]),
        concurrency=rng.choice([None, None, 1, 3]),
        retry_failed=retry_failed,
    )


def _point(rng: random.Random, command: Command, number: int, slept: float) -> tuple[str, int]:
    """Draw where a process dies: often where few come, and not where none can."""
    if slept >= WEEK_AND_A_DAY and rng.random() < 0.6:
        return rng.choice(around("expire")), 1
    if command is Command.ACKNOWLEDGE and rng.random() < 0.6:
        return rng.choice(around("acknowledge")), 1
    if number and rng.random() < 0.5:
        return rng.choice(RARE_POINTS), 1
    if rng.random() < 0.5:
        return rng.choice(CORE_POINTS), rng.choice([1, 2, 3, 5])
    return rng.choice(DRAWN_POINTS), rng.choice([1, 1, 1, 2, 3, 5])


def run_budget(rng: random.Random, script: Script) -> int | None:
    """Draw a run's own limit; it may have none only where every day has one."""
    limits = [rng.randint(1, 12) * QUOTE_MICROS, rng.randint(5_000, 125_000), 5_000_000]
    return rng.choice(limits if script.day_micros is None else [*limits, None])


def last_steps(script: Script) -> tuple[Step, ...]:
    """What ends every history: no faults, credit for everything, and time for every refund."""
    quiet = FaultPlan()
    everything = Cast(command=Command.RUN, budget_micros=5_000_000)
    look = Cast(command=Command.RECONCILE)
    wait = timedelta(seconds=script.settle_delay).total_seconds() + 120.0
    return (
        Step(cast=(look,), faults=quiet, balance_micros=100_000_000),
        Step(cast=(Cast(command=Command.ACKNOWLEDGE),), advance=wait),
        Step(cast=(everything,)),
        Step(cast=(look,), advance=wait),
        Step(cast=(look,), advance=25 * HOUR),
        *((Step(cast=(look,), advance=wait),) if script.kinds else ()),
    )
