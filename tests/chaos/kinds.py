"""Kinds of trouble that are laid over a script: what the world around both sides does to them.

Each kind is drawn from the seed as the script is, so that a seed and the chosen kinds tell one
history.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from chaos.faultplans import GATEWAYS, add_faults, around
from chaos.script import DAY, HOUR, QUOTE_MICROS, draw_script, run_budget
from chaos.values import Cast, Command, End, Lowering, Script, Step, Turn, Waking

from tasks.sandbox.fault_responses import LOST_ANSWERS
from tasks.sandbox.faults import Fault, FaultPlan, Stage
from tasks.sandbox.options import Rounding

#: Longer than the last sign of life of a run on another machine is believed.
LEASE_IS_OVER = 130.0
_FAR = 2 * HOUR
_LIKELY = 0.15
#: A list may be late for one prediction alone no longer than it is waited for.
_PATIENT_SETTLE = 120.0
_HASTY_SETTLE = 0.4
#: Between the commit of what is to be sent and its sending, and just after.
_SLEEPY_POINTS = (
    "hold: after commit",
    "intend: after commit",
    "submit: before request",
    "submit: before request",
    "submit: after request",
    "accept: after commit",
)
_PROVIDED = 5_000_000


class Kind(enum.StrEnum):
    """What may be laid over a script."""

    SLEEPER = "sleeper"  # a process sleeps, is taken for dead by another machine, and wakes
    SKEW = "skew"  # every machine and the provider have clocks of their own, which jump
    LISTS = "lists"  # lists that are empty, late, of strangers only, or in small pages
    GATEWAYS = "gateways"  # accepted, then refused in no words of the provider's
    LOWERED = "lowered"  # a limit is lowered while a process spends
    BACKUP = "backup"  # the catalog is put back as it was before more was bought


def draw_history(seed: int, chosen: Sequence[Kind] = ()) -> Script:
    """Draw the script of a seed, and what is laid over it: of the chosen kinds, or of all."""
    return lay_over(draw_script(seed), draw_kinds(seed, chosen))


def draw_kinds(seed: int, chosen: Sequence[Kind] = ()) -> tuple[Kind, ...]:
    """Draw which kinds a history has: of the chosen ones at least one, of all of them any."""
    rng = random.Random(f"chaos kinds:{seed}")
    if not chosen:
        return tuple(kind for kind in Kind if rng.random() < _LIKELY)
    drawn = [kind for kind in chosen if rng.random() < 0.5]
    return tuple(drawn or [rng.choice(list(chosen))])


def lay_over(script: Script, kinds: Sequence[Kind]) -> Script:
    """Add what the kinds do to the script."""
    rng = random.Random(f"chaos lay over:{script.seed}")
    for kind, lay in _LAY_OVER.items():
        if kind in kinds:
            script = lay(rng, script)
    return replace(script, kinds=tuple(kinds))


def _sleepers(rng: random.Random, script: Script) -> Script:
    sleepers = tuple(
        Cast(
            command=Command.RUN,
            end=End.SLEPT,
            after=rng.uniform(0.02, 0.7),
            point=rng.choice([*_SLEEPY_POINTS, None, None]),
            passes=rng.choice([1, 1, 1, 2, 3, 5]),
            budget_micros=rng.choice([_PROVIDED, _PROVIDED, run_budget(rng, script)]),
            include=rng.choice([(), (), ("clip-[0-2].mp4",)]),
            concurrency=rng.choice([None, None, 1, 3]),
            machine=1 + number,
            waking=rng.choice(list(Waking)),
        )
        for number in range(rng.choice([1, 1, 1, 2]))
    )
    awake = Cast(command=Command.RUN, budget_micros=_PROVIDED)
    quiet = FaultPlan() if rng.random() < 0.6 else None
    steps = [
        Step(cast=(), sleepers=sleepers, faults=quiet, balance_micros=100_000_000),
        Step(cast=(awake,), advance=rng.choice([LEASE_IS_OVER, LEASE_IS_OVER, 600.0, _FAR, DAY])),
        Step(cast=(awake,), advance=rng.choice([0.0, LEASE_IS_OVER, 600.0, _FAR])),
        Step(cast=(awake,) if rng.random() < 0.5 else (), wakes=rng.uniform(0.0, 0.4)),
    ]
    if rng.random() < 0.5:
        del steps[2]
    return replace(script, steps=(*script.steps, *steps))


def _skew(rng: random.Random, script: Script) -> Script:
    """Put every machine's clock and the provider's wrong, and turn some in mid-run."""

    def wrong() -> float:
        return rng.choice([0.0, rng.uniform(-_FAR, _FAR), rng.choice([-_FAR, _FAR, 400.0, -400.0])])

    def placed(cast: Cast) -> Cast:
        turn = Turn(after=rng.uniform(0.02, 0.6), seconds=wrong()) if rng.random() < 0.2 else None
        machine = cast.machine if cast.end is End.SLEPT else rng.randrange(3)
        return replace(cast, machine=machine, turn=turn)

    steps = [replace(step, cast=tuple(placed(cast) for cast in step.cast)) for step in script.steps]
    # A turned clock makes a list that lags lie about what lasted: it goes by the clock.
    if not script.lags and rng.random() < 0.4:
        number = rng.randrange(len(steps))
        turn = Turn(after=rng.uniform(0.02, 0.6), seconds=wrong())
        steps[number] = replace(steps[number], provider_turn=turn)
    return replace(
        script, skew=wrong(), clocks=tuple(wrong() for _ in range(3)), steps=tuple(steps)
    )


def _lists(rng: random.Random, script: Script) -> Script:
    fault, rate = rng.choice(
        [
            (Fault.LIST_EMPTY, rng.uniform(0.3, 1.0)),
            (Fault.LIST_ONLY_STRANGERS, 1.0),
            (Fault.LIST_SHORT_PAGE, 1.0),
            (Fault.LIST_LONG_LAG, rng.uniform(0.3, 1.0)),
            (Fault.HISTORY_LATE, 0.5),
        ]
    )
    lost = {
        # With all answers lost there is nothing of ours by which the list could be judged.
        rng.choice(sorted(LOST_ANSWERS - GATEWAYS)): rng.choice([0.3, 0.8]),
        rng.choice([Fault.SUBMIT_DROPPED_RESET, Fault.SUBMIT_DROPPED_504]): 0.1,
    }
    added = lost | {fault: rate}
    if rng.random() < 0.3:
        added[Fault.BILLING_SHORT_PAGE] = 1.0
    settle = _PATIENT_SETTLE if fault is Fault.HISTORY_LATE else script.settle_delay
    script = add_faults(script, added)
    return replace(
        script,
        settle_delay=settle,
        lags=True,
        strangers=min(script.strangers, 1),
        exclusive=False,
        sandbox=replace(script.sandbox, include_inputs=True),
    )


def _gateways(rng: random.Random, script: Script) -> Script:
    struck = rng.sample(sorted(GATEWAYS), rng.randint(1, 4))
    total = rng.uniform(0.1, 0.6)
    return add_faults(script, {fault: round(total / len(struck), 4) for fault in struck})


def _lowered(rng: random.Random, script: Script) -> Script:
    """Spend slowly on a large limit, which another process lowers in mid-run."""
    script = _billed_as_quoted(script)
    spending = Cast(command=Command.RUN, budget_micros=_PROVIDED, concurrency=rng.choice([1, 2, 3]))
    lowering = Lowering(
        after=rng.uniform(0.1, 0.9),
        micros=rng.randint(0, 5) * QUOTE_MICROS,
        scope=rng.choice(["day", "day", "month", "run"]),
    )
    step = Step(
        cast=(spending,) * rng.choice([1, 1, 2]),
        lowering=lowering,
        balance_micros=100_000_000,
        faults=FaultPlan() if rng.random() < 0.5 else None,
    )
    sandbox = replace(script.sandbox, latency_scale=0.01)
    return replace(script, sandbox=sandbox, steps=(*script.steps[:-1], step))


def _billed_as_quoted(script: Script) -> Script:
    def kept(plan: FaultPlan) -> FaultPlan:
        rates = {one: rate for one, rate in plan.rates.items() if one.stage is not Stage.CHARGE}
        return replace(plan, rates=rates)

    steps = tuple(
        step if step.faults is None else replace(step, faults=kept(step.faults))
        for step in script.steps
    )
    sandbox = replace(
        script.sandbox,
        faults=kept(script.sandbox.faults),
        rounding=Rounding.BLOCKS,
        discount=Decimal(0),
    )
    return replace(script, sandbox=sandbox, steps=steps)


def _backup(rng: random.Random, script: Script) -> Script:
    """Copy the catalog in mid-run, buy more, put the copy back, and do what the page says."""
    buying = Cast(
        command=Command.RUN,
        end=rng.choice([End.BY_ITSELF, End.KILLED]),
        after=rng.uniform(0.3, 0.9),
        budget_micros=_PROVIDED,
        include=rng.choice([(), ("clip-[0-2].mp4",)]),
        concurrency=rng.choice([None, 1, 3]),
    )
    more = replace(buying, end=End.BY_ITSELF, include=())
    passed = rng.choice([0.0, LEASE_IS_OVER, _FAR])
    restored = Cast(command=Command.AFTER_RESTORE)
    point = rng.choice(around("claim_all"))
    dying = replace(restored, end=End.CRASHED, point=point)
    steps = (
        Step(cast=(buying,), backup_after=rng.uniform(0.0, 0.7), balance_micros=100_000_000),
        Step(cast=(more,)),
        Step(
            cast=(dying if rng.random() < 0.4 else restored,),
            advance=passed,
            restores=True,
            faults=FaultPlan(),
        ),
        Step(cast=(restored,)),
        Step(cast=(more,)),
    )
    patient = script.settle_delay == _PATIENT_SETTLE
    return replace(
        script,
        settle_delay=_PATIENT_SETTLE if patient else _HASTY_SETTLE,
        sandbox=replace(script.sandbox, include_inputs=True, list_lag_seconds=0.0),
        steps=(*script.steps, *steps),
    )


_LAY_OVER = {
    Kind.LISTS: _lists,
    Kind.GATEWAYS: _gateways,
    Kind.LOWERED: _lowered,
    Kind.SLEEPER: _sleepers,
    Kind.BACKUP: _backup,
    Kind.SKEW: _skew,
}
