"""One history: a provider that misbehaves, processes that die, and what the books say then."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from chaos import product
from chaos.books import Findings, open_books
from chaos.product import Surroundings
from chaos.provider import ProviderProcess, open_provider
from chaos.script import WEEK_AND_A_DAY, Cast, End, Script, Step, draw_script, last_steps
from chaos.stage import Stage
from chaos.watching import Watch

from catalog import budgets
from catalog.clock import utc_now
from catalog.database import connect

#: A process of the product that takes longer hangs.
_MOST_SECONDS = 40.0
_LOOK_EVERY = 0.01
_AUDIT_EVERY = 8

_STILL_OPEN = """
SELECT count(*) FROM predictions
 WHERE status = 'running' OR (status IN ('failed', 'expired') AND settled_at IS NULL)
"""


@dataclass(kw_only=True)
class Outcome:
    """What one history came to."""

    seed: int
    found: Findings = field(default_factory=Findings)
    over_cap: list[str] = field(default_factory=list)
    looks: int = 0
    bugs: list[str] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    #: Crash points that were passed, and those at which a process died.
    passed: set[str] = field(default_factory=set)
    died_at: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        found = self.found
        return bool(
            self.over_cap
            or self.bugs
            or found.duplicates
            or found.lost_results
            or found.wrong_answers
            or found.disagreement
            or found.unresolved
            or found.key_leaks
        )

    def told(self) -> str:
        """Say what went wrong."""
        lines = [f"seed {self.seed}:"]
        for heading in (self.bugs, self.over_cap, self.found.said):
            lines += [f"  {one}" for one in heading[:8]]
        return "\n".join(lines)


def play(seed: int, stage: Stage, folder: Path) -> Outcome:
    """Play the history of a seed in a folder that is removed afterwards unless it failed."""
    began = time.monotonic()
    script = draw_script(seed)
    folder.mkdir(parents=True)
    history = History(script=script, stage=stage, folder=folder)
    try:
        history.play()
    finally:
        history.provider.end()
    outcome = history.outcome
    outcome.seconds = time.monotonic() - began
    if not outcome.failed:
        shutil.rmtree(folder)
    return outcome


class History:
    """Plays one script."""

    def __init__(self, *, script: Script, stage: Stage, folder: Path) -> None:
        self.script = script
        self.stage = stage
        self.folder = folder
        self.outcome = Outcome(seed=script.seed)
        self.catalog = folder / "reelcat.db"
        self.database_url = stage.copy_catalog(script.place, self.catalog)
        self.provider: ProviderProcess = open_provider(script, folder)
        self.watch = Watch(path=self.catalog)
        self.ahead = 0.0
        self.weeks: list[datetime] = []
        self.started = 0
        #: A dearer bill than quoted is not for a cap to stop.
        self.bill_keeps_to_quote = True

    def play(self) -> None:
        """Play every step, and compare the books."""
        if self.script.day_micros is not None:
            self._limit(("day",), self.script.day_micros)
        for step in (*self.script.steps, *last_steps(self.script)):
            self._step(step)
        if self._still_open():
            look = last_steps(self.script)[0].cast
            self._step(Step(cast=look, advance=WEEK_AND_A_DAY))
            self._step(Step(cast=look, advance=WEEK_AND_A_DAY))  # a bill may stay silent
        audit = self.provider.audit()
        self.outcome.faults.update(audit["faults"])
        books = open_books(
            self.script,
            self.catalog,
            audit,
            self.provider.predictions(),
            identities=self.stage.identities,
            weeks=self.weeks,
        )
        self.outcome.found = books.compare()
        self.outcome.over_cap += self.watch.over
        self.outcome.looks = self.watch.looks
        if self.outcome.failed:
            kept = {"audit": audit, "rows": books.rows, "script": repr(self.script)}
            (self.folder / "books.json").write_text(json.dumps(kept, indent=1), encoding="utf-8")

    def _step(self, step: Step) -> None:
        if step.advance:
            if step.advance >= WEEK_AND_A_DAY:
                self.weeks.append(self._now())
            self.ahead += step.advance
            self.provider.advance(step.advance)
        if step.balance_micros is not None:
            self.provider.set_balance(step.balance_micros)
        if step.day_micros is not None:
            day = f"day:{self._now().astimezone(ZoneInfo(self.script.timezone)):%Y-%m-%d}"
            self._limit(("day", day), step.day_micros)
        if step.faults is not None:
            self.provider.set_faults(step.faults)
        self._perform(step.cast)

    def _now(self) -> datetime:
        return utc_now() + timedelta(seconds=self.ahead)

    def _limit(self, scopes: tuple[str, ...], micros: int) -> None:
        self.watch.look_away()
        catalog = connect(self.database_url)
        catalog.write(partial(budgets.set_limit, scopes=scopes, limit_micros=micros))
        catalog.close()

    def _perform(self, casts: tuple[Cast, ...]) -> None:
        """Run these processes at once, end those that are to be ended, and wait for the rest."""
        self.watch.look_away()
        self.provider.hang_up()
        acting: dict[int, tuple[Cast, Surroundings]] = {}
        for cast in casts:
            self.started += 1
            around = Surroundings(
                source=self.stage.sources[self.script.place],
                database_url=self.database_url,
                base_url=self.provider.base_url,
                ahead=self.ahead,
                told=self.folder / f"process-{self.started}.json",
                points=self.folder / f"process-{self.started}.points",
            )
            acting[product.start(self.script, cast, around)] = (cast, around)
        began = time.monotonic()
        looks = 0
        asked: set[int] = set()
        while acting:
            age = time.monotonic() - began
            for pid, (cast, around) in list(acting.items()):
                self._hasten(pid, cast, age, asked)
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    del acting[pid]
                    self._ended(cast, around, status)
            looks += 1
            self._look(audit=looks % _AUDIT_EVERY == 0)
            time.sleep(_LOOK_EVERY)

    def _hasten(self, pid: int, cast: Cast, age: float, asked: set[int]) -> None:
        """End a process whose time has come; one that takes for ever is a bug."""
        if age > _MOST_SECONDS:
            self.outcome.bugs.append(f"{cast.command} hung with {cast}")
            os.kill(pid, signal.SIGKILL)
        elif cast.end is End.KILLED and age > cast.after:
            os.kill(pid, signal.SIGKILL)
        elif pid not in asked and age > self._stopped_after(cast):
            asked.add(pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def _stopped_after(self, cast: Cast) -> float:
        if cast.end is End.STOPPED:
            return 0.25 + cast.after
        # Whoever would wait for the settle delay is asked to leave it to the next one.
        return 1.5 if self.script.slow_to_settle else _MOST_SECONDS

    def _ended(self, cast: Cast, around: Surroundings, status: int) -> None:
        self.outcome.ends[cast.end] += 1
        if around.points.exists():
            self.outcome.passed.update(around.points.read_text(encoding="utf-8").splitlines())
        if os.WIFSIGNALED(status):
            if cast.end is End.CRASHED and cast.point is not None:
                self.outcome.died_at[cast.point] += 1
            if os.WTERMSIG(status) != signal.SIGKILL:
                self.outcome.bugs.append(f"died of signal {os.WTERMSIG(status)} with {cast}")
            return
        told = json.loads(around.told.read_text(encoding="utf-8"))
        if "bug" in told:
            self.outcome.bugs.append(told["bug"])

    def _look(self, *, audit: bool) -> None:
        """Look whether every cap holds at this instant, by our books and by the provider's."""
        self.watch.look()
        if not audit:
            return
        seen = self.provider.audit()
        self.bill_keeps_to_quote &= "charge-more" not in seen["faults"]
        cap = self.watch.cap()
        net = seen["deducted_micros"] - seen["refunded_micros"]
        if self.bill_keeps_to_quote and cap is not None and net > cap:
            self.outcome.over_cap.append(f"the provider has {net}, all limits together are {cap}")

    def _still_open(self) -> bool:
        """Whether only the end of the provider's memory will end or settle something."""
        self.watch.look_away()
        catalog = connect(self.database_url)
        try:
            with catalog.engine.connect() as connection:
                return bool(connection.exec_driver_sql(_STILL_OPEN).scalar_one())
        finally:
            catalog.close()
