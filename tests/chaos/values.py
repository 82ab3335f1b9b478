"""What a script is made of: processes of the product, how they end, and what happens meanwhile."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from decimal import Decimal

from catalog.values import AnalysisType
from tasks.sandbox.faults import FaultPlan
from tasks.sandbox.options import SandboxOptions


class Place(enum.StrEnum):
    """Where the videos lie."""

    FOLDER = "folder"  # uploaded by ticket and PUT
    WEB = "web"  # linked to


class End(enum.StrEnum):
    """How a process of the product ends."""

    BY_ITSELF = "by itself"
    KILLED = "killed"  # SIGKILL at a random instant
    CRASHED = "crashed"  # SIGKILL by itself at a named crash point
    STOPPED = "stopped"  # SIGTERM, as by a person
    SLEPT = "slept"  # SIGSTOP for as long as the script says, then by itself


class Waking(enum.StrEnum):
    """Which clocks of a process have gone on while it slept."""

    SUSPENDED = "suspended"  # a laptop: the time of day, not the monotonic clock
    STOPPED = "stopped"  # a process: both
    FROZEN = "frozen"  # a machine whose time of day nobody has set right yet: the monotonic clock


class Command(enum.StrEnum):
    """What is asked of the product."""

    RUN = "run"
    RECONCILE = "reconcile"
    ACKNOWLEDGE = "reconcile --acknowledge-drift"
    AFTER_RESTORE = "reconcile --after-restore"


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """A clock is turned, so long after the step began, by so many seconds."""

    after: float
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Lowering:
    """A limit is lowered, so long after the step began."""

    after: float
    micros: int
    #: `day`, `month` or `run`: that of every run that has one.
    scope: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Cast:
    """One process of the product: what it does and how it ends."""

    command: Command
    end: End = End.BY_ITSELF
    #: Seconds after its start, for those that are ended from outside.
    after: float = 0.0
    #: Where it dies, and the how-many-th time that it comes there.
    point: str | None = None
    passes: int = 1
    budget_micros: int | None = None
    include: tuple[str, ...] = ()
    concurrency: int | None = None
    retry_failed: bool = False
    #: The machine that it runs on.
    machine: int = 0
    #: What happens to its clock.
    turn: Turn | None = None
    waking: Waking = Waking.STOPPED


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """Something that happens before the next step begins."""

    cast: tuple[Cast, ...]
    #: What time passes first, for both sides.
    advance: float = 0.0
    #: The account's balance from now on; None leaves it.
    balance_micros: int | None = None
    #: The limit of every day from now on; None leaves it.
    day_micros: int | None = None
    faults: FaultPlan | None = None
    #: They fall asleep before `cast` begins, and before time passes in the next step.
    sleepers: tuple[Cast, ...] = ()
    #: So long after the step began all sleepers wake, and the step lasts until they are done.
    wakes: float | None = None
    provider_turn: Turn | None = None
    lowering: Lowering | None = None
    #: So long after the step began the catalog is copied.
    backup_after: float | None = None
    #: The copy is put back first.
    restores: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Script:
    """One history."""

    seed: int
    place: Place
    tasks: tuple[AnalysisType, ...]
    instructions: str
    sandbox: SandboxOptions
    #: Rows of other people that are in the account's history from the beginning.
    strangers: int
    #: How far the provider's clock is ahead of ours.
    skew: float
    settle_delay: float
    exclusive: bool
    patience: float
    poll_gap: float
    submit_seconds: float
    drift_tolerance: Decimal
    timezone: str
    day_micros: int | None
    steps: tuple[Step, ...] = field(repr=False)
    kinds: tuple[str, ...] = ()
    #: How far the clock of each machine is ahead.
    clocks: tuple[float, ...] = (0.0, 0.0, 0.0)
    #: Whether the list may be late.
    lags: bool = False

    @property
    def slow_to_settle(self) -> bool:
        """Whether a lost answer takes longer to resolve than a process is given."""
        return self.settle_delay > 10
