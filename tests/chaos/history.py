"""One history: a provider that misbehaves, processes that die, and what the books say then."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from chaos.books import Findings, open_books
from chaos.kinds import Kind, draw_history
from chaos.processes import Ended, Processes, Running
from chaos.provider import ProviderProcess, open_provider
from chaos.script import WEEK_AND_A_DAY, last_steps
from chaos.stage import Stage
from chaos.values import Cast, Command, Lowering, Script, Step
from chaos.watching import Watch, limits_of, lower_limits

from catalog import budgets
from catalog.database import connect
from catalog.values import utc_now

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
    kinds: tuple[str, ...] = ()
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
        lines = [f"seed {self.seed} ({', '.join(self.kinds) or 'of no kind'}):"]
        for heading in (self.bugs, self.over_cap, self.found.said):
            lines += [f"  {one}" for one in heading[:8]]
        return "\n".join(lines)


@dataclass(frozen=True, kw_only=True)
class _Event:
    """Something that happens while processes run."""

    after: float
    happen: Callable[[], None]


def play(seed: int, stage: Stage, folder: Path, kinds: Sequence[Kind] = ()) -> Outcome:
    """Play the history of a seed in a folder that is removed afterwards unless it failed."""
    began = time.monotonic()
    script = draw_history(seed, kinds)
    folder.mkdir(parents=True)
    history = History(script=script, stage=stage, folder=folder)
    try:
        history.play()
    finally:
        history.processes.end()
        history.provider.end()
    outcome = history.outcome
    outcome.kinds = script.kinds
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
        self.processes = Processes(script, folder, self.catalog)
        self.backup = folder / "backup.db"
        #: Predictions of later ones than this were bought in the last steps, as witnesses.
        self.last_of_before = 0
        #: A dearer bill than quoted is not for a cap to stop.
        self.bill_keeps_to_quote = True

    def play(self) -> None:
        """Play every step, and compare the books."""
        if self.script.day_micros is not None:
            self._limit(("day",), self.script.day_micros)
        for step in self.script.steps:
            self._step(step)
        if self.processes.asleep:
            self._step(Step(cast=(), wakes=0.0))
        for step in last_steps(self.script):
            if any(cast.command is Command.RUN for cast in step.cast):
                self.last_of_before = self._last_prediction()
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
            last_of_before=self.last_of_before,
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
            self.processes.pass_time(step.advance)
        if step.balance_micros is not None:
            self.provider.set_balance(step.balance_micros)
        if step.day_micros is not None:
            day = f"day:{self._now().astimezone(ZoneInfo(self.script.timezone)):%Y-%m-%d}"
            self._limit(("day", day), step.day_micros)
        if step.faults is not None:
            self.provider.set_faults(step.faults)
        if step.restores:
            self._restore()
        self._perform(step)

    def _last_prediction(self) -> int:
        with contextlib.closing(sqlite3.connect(self.catalog, timeout=30)) as connection:
            return connection.execute("SELECT COALESCE(MAX(id), 0) FROM predictions").fetchone()[0]

    def _now(self) -> datetime:
        return utc_now() + timedelta(seconds=self.ahead + self.script.clocks[0])

    def _limit(self, scopes: tuple[str, ...], micros: int) -> None:
        self.watch.look_away()
        catalog = connect(self.database_url)
        catalog.write(partial(budgets.set_limit, scopes=scopes, limit_micros=micros))
        catalog.close()

    def _perform(self, step: Step) -> None:
        """Run the processes of a step, let happen what happens meanwhile, and wait for all."""
        self._let_go()
        for cast in step.sleepers:
            self.watch.look_away()
            running = self._start(cast)
            ended = self.processes.fall_asleep(running, lambda: self._pause(audit=False))
            if ended is not None:
                self._ended(ended)
        self._let_go()
        for cast in step.cast:
            self._start(cast)
        began = time.monotonic()
        events = self._events(step)
        looks = 0
        while self.processes.awake or events:
            for ended in self.processes.look_after():
                self._ended(ended)
            while events and (
                time.monotonic() - began > events[0].after or not self.processes.awake
            ):
                events.pop(0).happen()
            looks += 1
            self._pause(audit=looks % _AUDIT_EVERY == 0)

    def _let_go(self) -> None:
        """Close what no child that is forked now may share."""
        self.watch.look_away()
        self.provider.hang_up()

    def _start(self, cast: Cast) -> Running:
        return self.processes.start(
            cast,
            source=self.stage.sources[self.script.place],
            base_url=self.provider.base_url,
            ahead=self.ahead,
        )

    def _events(self, step: Step) -> list[_Event]:
        """Give what happens while the processes of a step run, in order."""
        events = []
        if step.wakes is not None:
            events.append(_Event(after=step.wakes, happen=self.processes.wake_all))
        if step.provider_turn is not None:
            turn = partial(self.provider.turn, step.provider_turn.seconds)
            events.append(_Event(after=step.provider_turn.after, happen=turn))
        if step.lowering is not None:
            lower = partial(self._lower, step.lowering)
            events.append(_Event(after=step.lowering.after, happen=lower))
        if step.backup_after is not None:
            events.append(_Event(after=step.backup_after, happen=self._back_up))
        return sorted(events, key=lambda event: event.after)

    def _pause(self, *, audit: bool) -> None:
        self._look(audit=audit)
        time.sleep(_LOOK_EVERY)

    def _ended(self, ended: Ended) -> None:
        outcome = self.outcome
        outcome.ends[ended.cast.end] += 1
        outcome.passed |= ended.points
        if ended.died_at is not None:
            outcome.died_at[ended.died_at] += 1
        if ended.bug is not None:
            outcome.bugs.append(ended.bug)

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

    def _lower(self, lowering: Lowering) -> None:
        """Lower a limit as another process would, while others spend."""
        catalog = connect(self.database_url)
        try:
            scopes = limits_of(self.catalog, lowering.scope)
            change = partial(lower_limits, scopes=scopes, limit_micros=lowering.micros)
            self.watch.spent |= catalog.write(change)
        finally:
            catalog.close()

    def _back_up(self) -> None:
        """Copy the catalog while it is written to."""
        with (
            contextlib.closing(sqlite3.connect(self.catalog, timeout=30)) as source,
            contextlib.closing(sqlite3.connect(self.backup)) as copy,
        ):
            source.backup(copy)

    def _restore(self) -> None:
        """Put the copy back."""
        self.watch.replaced(self.backup)
        for suffix in ("-wal", "-shm", "-journal"):
            Path(f"{self.catalog}{suffix}").unlink(missing_ok=True)
        shutil.copyfile(self.backup, self.catalog)

    def _still_open(self) -> bool:
        """Whether only the end of the provider's memory will end or settle something."""
        self.watch.look_away()
        catalog = connect(self.database_url)
        try:
            with catalog.engine.connect() as connection:
                return bool(connection.exec_driver_sql(_STILL_OPEN).scalar_one())
        finally:
            catalog.close()
