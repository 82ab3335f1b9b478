"""Which faults strike when: by rates under a seed, by a script, or both.

A plan is a value that travels in the options or over the control address. `FaultDraw` counts and
draws; the same plan and the same order of requests give the same faults.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from catalog.errors import SettingsError
from tasks.wavespeed.sandbox.faults import Fault, Stage


@dataclass(frozen=True, kw_only=True, slots=True)
class Scripted:
    """One fault at a chosen place: "the third submission", "every poll of that video"."""

    fault: Fault
    #: The first event of the fault's stage that it strikes, counted from 1.
    first: int = 1
    #: How many it strikes from there; None for all.
    times: int | None = 1
    #: Count and strike only events about this text: part of the address or body of a request, or
    #: of a prediction's video, task and instructions.
    about: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultPlan:
    """What shall go wrong. The default is nothing."""

    #: How likely each fault is at each event of its stage, 0 to 1.
    rates: Mapping[Fault, float] = field(default_factory=dict)
    #: Goes before the rates.
    script: tuple[Scripted, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        totals: defaultdict[Stage, float] = defaultdict(float)
        for fault, rate in self.rates.items():
            if not 0 <= rate <= 1:
                message = f"The rate of the fault {fault} is {rate}; it takes a number from 0 to 1."
                raise SettingsError(message)
            totals[fault.stage] += rate
        for stage, total in totals.items():
            if total > 1 + 1e-9:
                message = f"The fault rates of stage {stage} add up to {total}; lower them to 1."
                raise SettingsError(message)


class FaultDraw:
    """Draws the faults of one plan, event by event."""

    def __init__(self, plan: FaultPlan) -> None:
        self.plan = plan
        self._seen = [0] * len(plan.script)
        self._stages = {fault.stage for fault in plan.rates} | {s.fault.stage for s in plan.script}
        self._looks_inside = {s.fault.stage for s in plan.script if s.about is not None}
        # Each stage has its own stream, so that polls do not disturb which submission is struck.
        self._random = {
            stage: random.Random(f"{plan.seed}:{stage}")  # noqa: S311 - a repeatable plan, no secret
            for stage in self._stages
        }
        self.struck: Counter[Fault] = Counter()

    def wants_text(self, stage: Stage) -> bool:
        """Say whether `draw` needs to know what the event is about."""
        return stage in self._looks_inside

    def draw(self, stage: Stage, about: str = "") -> Fault | None:
        """Give the fault that strikes this event, or None; the event is counted."""
        if stage not in self._stages:
            return None
        fault = self._scripted(stage, about) or self._by_rate(stage)
        if fault is not None:
            self.struck[fault] += 1
        return fault

    def _scripted(self, stage: Stage, about: str) -> Fault | None:
        found = None
        for index, line in enumerate(self.plan.script):
            if line.fault.stage is not stage or (
                line.about is not None and line.about not in about
            ):
                continue
            self._seen[index] += 1
            place = self._seen[index] - line.first
            if found is None and place >= 0 and (line.times is None or place < line.times):
                found = line.fault
        return found

    def _by_rate(self, stage: Stage) -> Fault | None:
        roll = self._random[stage].random()
        for fault, rate in self.plan.rates.items():
            if fault.stage is stage:
                roll -= rate
                if roll < 0:
                    return fault
        return None
