"""The processes of the product in one history: started, put to sleep, woken and waited for."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chaos import product
from chaos.clocks import Clocks
from chaos.product import Surroundings
from chaos.values import Cast, Command, End, Script, Waking

#: A process of the product that takes longer hangs.
_MOST_SECONDS = 120.0
#: A process that should fall asleep at a point it never comes to falls asleep so late.
_SLEEPS_AT_LAST = 1.5
_STACKS_SECONDS = 0.5
_LOCK_TRIES = 400
_LOCK_PAUSE = 0.003


@dataclass(kw_only=True)
class Running:
    """One process that was started and has not been seen to end."""

    pid: int
    cast: Cast
    around: Surroundings
    began: float
    asked_to_stop: bool = False
    turned: bool = False
    hung: bool = False
    #: What passed while it slept.
    slept: float = 0.0

    @property
    def age(self) -> float:
        return time.monotonic() - self.began


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What is known of a process that is over."""

    cast: Cast
    points: frozenset[str] = frozenset()
    died_at: str | None = None
    bug: str | None = None


class Processes:
    """All that run or sleep in one history."""

    def __init__(self, script: Script, folder: Path, catalog: Path) -> None:
        self._script = script
        self._folder = folder
        self._catalog = catalog
        self._started = 0
        self.awake: list[Running] = []
        self.asleep: list[Running] = []

    def start(self, cast: Cast, *, source: str, base_url: str, ahead: float) -> Running:
        """Fork one, on its machine and by its machine's clock."""
        self._started += 1
        around = Surroundings(
            source=source,
            database_url=f"sqlite:///{self._catalog}",
            base_url=base_url,
            clocks=Clocks(ahead=ahead + self._script.clocks[cast.machine]),
            machine=f"machine-{cast.machine}",
            told=self._folder / f"process-{self._started}.json",
            points=self._folder / f"process-{self._started}.points",
        )
        pid = product.start(self._script, cast, around)
        running = Running(pid=pid, cast=cast, around=around, began=time.monotonic())
        self.awake.append(running)
        return running

    def fall_asleep(self, one: Running, look: Callable[[], None]) -> Ended | None:
        """Wait until a process sleeps; gives it if it ended before."""
        while True:
            pid, status = os.waitpid(one.pid, os.WNOHANG | os.WUNTRACED)
            if pid and not os.WIFSTOPPED(status):
                self.awake.remove(one)
                return _seen(one, status)
            if pid or one.age > self._sleeps_after(one.cast):
                break
            look()
        ended = self._stop(one)
        self.awake.remove(one)
        if ended is None:
            self.asleep.append(one)
        return ended

    def pass_time(self, seconds: float) -> None:
        """Let time pass for all that sleep; nobody else runs."""
        for one in self.asleep:
            one.slept += seconds

    def wake_all(self) -> None:
        """Let every sleeper go on, by the clocks that went on without it."""
        for one in self.asleep:
            waking = one.cast.waking
            one.around.clocks.turn(
                day=0.0 if waking is Waking.FROZEN else one.slept,
                monotonic=0.0 if waking is Waking.SUSPENDED else one.slept,
            )
            one.began = time.monotonic()
            os.kill(one.pid, signal.SIGCONT)
        self.awake += self.asleep
        self.asleep = []

    def look_after(self) -> list[Ended]:
        """End those whose time has come, and give those that are over."""
        ended = []
        for one in list(self.awake):
            self._hasten(one)
            pid, status = os.waitpid(one.pid, os.WNOHANG)
            if pid:
                self.awake.remove(one)
                ended.append(_seen(one, status))
        return ended

    def end(self) -> None:
        """Kill whatever is left."""
        for one in (*self.awake, *self.asleep):
            os.kill(one.pid, signal.SIGKILL)
            os.waitpid(one.pid, 0)
        self.awake, self.asleep = [], []

    def _sleeps_after(self, cast: Cast) -> float:
        return cast.after if cast.point is None else _SLEEPS_AT_LAST

    def _stop(self, one: Running) -> Ended | None:
        """Stop a process where it does not hold the catalog's lock, which is its machine's own."""
        for _ in range(_LOCK_TRIES):
            os.kill(one.pid, signal.SIGSTOP)
            _, status = os.waitpid(one.pid, os.WUNTRACED)
            if not os.WIFSTOPPED(status):
                return _seen(one, status)
            if self._is_free():
                return None
            os.kill(one.pid, signal.SIGCONT)
            time.sleep(_LOCK_PAUSE)
        raise AssertionError("A process held the catalog's lock for more than a second.")

    def _is_free(self) -> bool:
        connection = sqlite3.connect(self._catalog, isolation_level=None, timeout=0.02)
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError:
            return False
        finally:
            connection.close()
        return True

    def _hasten(self, one: Running) -> None:
        """End a process whose time has come; one that takes for ever is a bug."""
        cast = one.cast
        if cast.turn is not None and not one.turned and one.age > cast.turn.after:
            one.turned = True
            one.around.clocks.turn(day=cast.turn.seconds)
        if one.age > _MOST_SECONDS and not one.hung:
            one.hung = True
            os.kill(one.pid, signal.SIGUSR1)  # to say where it is
            time.sleep(_STACKS_SECONDS)
            os.kill(one.pid, signal.SIGKILL)
        elif cast.end is End.KILLED and one.age > cast.after:
            os.kill(one.pid, signal.SIGKILL)
        elif not one.asked_to_stop and one.age > self._stopped_after(cast):
            one.asked_to_stop = True
            with contextlib.suppress(ProcessLookupError):
                os.kill(one.pid, signal.SIGTERM)

    def _stopped_after(self, cast: Cast) -> float:
        if cast.end is End.STOPPED:
            return 0.25 + cast.after
        # Whoever would wait for the settle delay is asked to leave it to the next one.
        return 1.5 if self._script.slow_to_settle else _MOST_SECONDS


def _seen(one: Running, status: int) -> Ended:
    """Say what a process came to."""
    cast, around = one.cast, one.around
    around.clocks.close()
    points = frozenset[str]()
    if around.points.exists():
        points = frozenset(around.points.read_text(encoding="utf-8").splitlines())
    died_at = bug = None
    if one.hung:
        bug = f"{cast.command} hung with {cast}"
    elif os.WIFSIGNALED(status):
        died_at = cast.point if cast.end is End.CRASHED else None
        # The command line may be asked to stop before it listens.
        early = cast.command is Command.AFTER_RESTORE and one.asked_to_stop
        if os.WTERMSIG(status) != signal.SIGKILL and not early:
            bug = f"died of signal {os.WTERMSIG(status)} with {cast}"
    else:
        bug = json.loads(around.told.read_text(encoding="utf-8")).get("bug")
    return Ended(cast=cast, points=points, died_at=died_at, bug=bug)
