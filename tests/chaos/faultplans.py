"""Which faults strike in one history, drawn from its seed, and every named crash point.

Refuses to draw what would break an assumption that the product states: a list that lags longer
than the settle delay, or strangers in an account that is said to be ours alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from tasks.sandbox.fault_responses import LOST_ANSWERS
from tasks.sandbox.faults import Fault, FaultPlan, Stage

if TYPE_CHECKING:
    from chaos.values import Script

#: How likely a stage misbehaves in a history, and how often it does then at most.
_ACTIVE: dict[Stage, tuple[float, float]] = {
    Stage.SUBMIT: (0.75, 0.6),
    Stage.TASK: (0.5, 0.6),
    Stage.CHARGE: (0.3, 0.7),
    Stage.REFUND: (0.3, 0.8),
    Stage.HISTORY: (0.2, 0.5),
    Stage.POLL: (0.4, 0.4),
    Stage.LIST: (0.4, 0.6),
    Stage.BILLING: (0.25, 0.5),
    Stage.BALANCE: (0.15, 0.5),
    Stage.PRICE: (0.12, 0.5),
    Stage.TICKET: (0.3, 0.5),
    Stage.PUT: (0.35, 0.5),
    Stage.MEDIA: (0.15, 0.4),
}

#: Answers of a gateway that is not the provider.
GATEWAYS = frozenset(
    {
        Fault.SUBMIT_DROPPED_401,
        Fault.SUBMIT_DROPPED_403,
        Fault.SUBMIT_DROPPED_429,
        Fault.SUBMIT_DROPPED_503,
        Fault.SUBMIT_LOST_400,
        Fault.SUBMIT_LOST_401,
        Fault.SUBMIT_LOST_402,
        Fault.SUBMIT_LOST_403,
        Fault.SUBMIT_LOST_404,
        Fault.SUBMIT_LOST_413,
        Fault.SUBMIT_LOST_429,
        Fault.SUBMIT_LOST_503,
        Fault.SUBMIT_LOST_503_JSON,
        Fault.SUBMIT_LOST_503_DATA,
    }
)
#: Only kinds of their own draw these (see `kinds`).
OF_A_KIND = GATEWAYS | {
    Fault.HISTORY_LATE,
    Fault.LIST_LONG_LAG,
    Fault.LIST_EMPTY,
    Fault.LIST_ONLY_STRANGERS,
    Fault.LIST_SHORT_PAGE,
    Fault.BILLING_SHORT_PAGE,
}

#: Other people's predictions enter the account's history.
STRANGERS = frozenset({Fault.HISTORY_FOREIGN_ROWS, Fault.LIST_ROWS_SHIFT})


#: What the bill says under these stops paid runs until a person has looked.
NEEDS_A_PERSON = frozenset(
    {
        Fault.CHARGE_15_DOLLARS,
        Fault.BILLING_WORDS,
        Fault.BILLING_NAMELESS,
        Fault.BILLING_SURCHARGE,
        Fault.BILLING_EXCESS,
        Fault.SUBMIT_LOST_OTHER_ID,
    }
)


def draw_plan(rng: random.Random, seed: int, *, without: Iterable[Fault] = ()) -> FaultPlan:
    """Draw a plan: a few stages misbehave, each in a few ways."""
    avoided = OF_A_KIND.union(without) | NEEDS_A_PERSON
    rates: dict[Fault, float] = {}
    for stage, (likely, most) in _ACTIVE.items():
        faults = [fault for fault in Fault if fault.stage is stage and fault not in avoided]
        if not faults or rng.random() >= likely:
            continue
        chosen = rng.sample(faults, min(len(faults), rng.randint(1, 4)))
        if stage is Stage.SUBMIT and rng.random() < 0.6:  # what it is all about
            chosen[0] = rng.choice([fault for fault in faults if fault in LOST_ANSWERS])
        if stage is Stage.TASK and rng.random() < 0.2:  # the one that uploads anew
            chosen[0] = Fault.TASK_FAILED_1402
        chosen = list(dict.fromkeys(chosen))
        total = rng.uniform(0.1, most)
        rates |= {fault: round(total / len(chosen), 4) for fault in chosen}
    return FaultPlan(rates=rates, seed=seed)


def add_faults(script: Script, rates: Mapping[Fault, float]) -> Script:
    """Let these strike in the first plan and in all later ones, in place of others of their stages.

    Plans of the stages SUBMIT keep what they had beside, thinned out.
    """

    def added(plan: FaultPlan) -> FaultPlan:
        stages = {fault.stage for fault in rates} - {Stage.SUBMIT}
        kept = {fault: rate for fault, rate in plan.rates.items() if fault.stage not in stages}
        room = 1.0 - sum(rate for fault, rate in rates.items() if fault.stage is Stage.SUBMIT)
        kept = {
            fault: round(rate * room, 4) if fault.stage is Stage.SUBMIT else rate
            for fault, rate in kept.items()
            if fault not in rates
        }
        return replace(plan, rates={**kept, **rates})

    steps = tuple(
        step if step.faults is None else replace(step, faults=added(step.faults))
        for step in script.steps
    )
    sandbox = replace(script.sandbox, faults=added(script.sandbox.faults))
    return replace(script, sandbox=sandbox, steps=steps)


#: Every change that is written in a group, by the name under which it can be interrupted.
_CHANGES = (
    "accept",
    "acknowledge",
    "adopt",
    "bury",
    "complete",
    "deny",
    "drop",
    "expire",
    "fail",
    "finish",
    "forget_upload",
    "hold",
    "intend",
    "lose",
    "mark_missing",
    "put_right",
    "record_page",
    "record_scan",
    "refuse",
    "register",
    "remember",
    "settle",
    "start",
    "take_orphans",
    "want",
)
#: What needs something to have gone wrong before; tried more often, and the first time it comes.
_RARE = (
    "adopt",
    "bury",
    "deny",
    "drop",
    "fail",
    "forget_upload",
    "lose",
    "put_right",
    "refuse",
    "settle",
    "take_orphans",
)
_REQUESTS = ("balance", "bill", "list", "poll", "price", "put", "submit", "ticket")


def around(change: str) -> tuple[str, str]:
    """Give the crash points on both sides of a change's commit."""
    return (f"{change}: before commit", f"{change}: after commit")


#: Where a process may be drawn to die.
DRAWN_POINTS = tuple(
    [point for change in _CHANGES for point in around(change)]
    + [f"{request}: {when} request" for request in _REQUESTS for when in ("before", "after")]
)
#: Changes that hardly ever come by themselves, and how often what makes them come.
_PROVOKING: dict[str, dict[Fault, float]] = {
    "beat": {},
    "drop": {Fault.TICKET_413: 0.6},
    "forget_upload": {Fault.TASK_FAILED_1402: 0.6},
    "heed_silence": {Fault.TASK_FAILED_5000: 0.6, Fault.BILLING_EMPTY: 1.0},
}
PROVOKED: dict[str, dict[Fault, float]] = {
    **{point: rates for change, rates in _PROVOKING.items() for point in around(change)},
    "balance: before request": {},
}
CRASH_POINTS = (
    *DRAWN_POINTS,
    *around("beat"),
    *around("heed_silence"),
    *around("claim_all"),  # only after a backup was put back
)

#: Where it is not known, or not written down, what was paid.
CORE_POINTS = (
    "hold: after commit",
    "intend: after commit",
    "submit: before request",
    "submit: after request",
    "accept: before commit",
    "complete: before commit",
)
RARE_POINTS = tuple(point for change in _RARE for point in around(change))
