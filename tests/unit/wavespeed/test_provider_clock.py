"""The provider's time is between what the clock says, whatever this machine's clocks do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from hypothesis import given
from hypothesis import strategies as st

from tasks.wavespeed.clock import Instant, ProviderClock, read_date

BEGAN = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@dataclass(kw_only=True)
class Machine:
    """True time, this machine's two clocks, and the provider's."""

    now: float = 0.0
    #: How far this machine's time of day, and the provider's, are ahead of true time.
    wall_ahead: float = 0.0
    provider_ahead: float = 0.0
    #: What the machine's uptime does not count.
    slept: float = 0.0

    def wall(self) -> datetime:
        return BEGAN + timedelta(seconds=self.now + self.wall_ahead)

    def uptime(self) -> float:
        return 5000.0 + self.now - self.slept

    def provider(self) -> datetime:
        return BEGAN + timedelta(seconds=self.now + self.provider_ahead)

    def ask(self, clock: ProviderClock, *, there: float, back: float) -> None:
        asked = clock.instant()
        self.now += there
        stated = format_datetime(self.provider(), usegmt=True)
        self.now += back
        clock.saw_date(stated, asked=asked)


SECONDS = st.floats(0, 30)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), SECONDS, SECONDS),
        st.tuples(st.just("wait"), st.floats(0, 10_000), st.just(0.0)),
        st.tuples(st.just("set"), st.floats(-10_000, 10_000), st.just(0.0)),
        st.tuples(st.just("pause"), st.floats(0, 10_000), st.just(0.0)),
    ),
    max_size=12,
)


@given(STEPS, st.floats(-8000, 8000), st.floats(-8000, 8000))
def test_the_providers_time_is_in_the_range_however_this_machines_clock_is_set(steps, ours, theirs):
    machine = Machine(wall_ahead=ours, provider_ahead=theirs)
    clock = ProviderClock(machine.wall, machine.uptime)
    machine.ask(clock, there=0.1, back=0.1)
    for what, one, two in steps:
        if what == "ask":
            machine.ask(clock, there=one, back=two)
        elif what == "wait":
            machine.now += one
        elif what == "set":  # one of the two clocks is right at any time
            machine.ask(clock, there=0.1, back=0.1)
            machine.wall_ahead += one
            machine.ask(clock, there=0.1, back=0.1)
        else:
            machine.now += one
            machine.slept += one
        slack = timedelta(milliseconds=1)  # microseconds are rounded at each step
        assert clock.earliest() - slack <= machine.provider() <= clock.latest() + slack


@given(st.floats(-10_000, 10_000), st.floats(0, 10_000))
def test_a_clock_that_was_set_makes_the_range_wider_and_never_wrong(by, passed):
    machine = Machine()
    clock = ProviderClock(machine.wall, machine.uptime)
    machine.ask(clock, there=0.1, back=0.1)
    machine.now += passed
    machine.wall_ahead += by
    slack = timedelta(milliseconds=1)
    assert clock.earliest() - slack <= machine.provider() <= clock.latest() + slack


def test_answers_make_the_range_narrow_and_a_jump_of_the_providers_clock_makes_it_wide():
    machine = Machine(now=0.7, provider_ahead=7200)
    clock = ProviderClock(machine.wall, machine.uptime)
    for _ in range(30):
        machine.ask(clock, there=0.02, back=0.02)
        machine.now += 0.07
    assert clock.latest() - clock.earliest() < timedelta(seconds=0.3)
    machine.provider_ahead = -7200
    machine.ask(clock, there=0.02, back=0.02)
    assert clock.earliest() <= machine.provider() <= clock.latest()


def test_one_answer_that_contradicts_the_others_is_not_believed_alone():
    machine = Machine()
    clock = ProviderClock(machine.wall, machine.uptime)
    machine.ask(clock, there=0.1, back=0.1)
    machine.provider_ahead = 8 * 86_400  # one of the provider's machines, for one answer
    machine.ask(clock, there=0.1, back=0.1)
    machine.provider_ahead = 0
    assert clock.earliest() <= machine.provider() <= clock.latest()
    machine.ask(clock, there=0.1, back=0.1)
    assert clock.earliest() <= machine.provider() <= clock.latest()


def test_the_skew_is_what_this_machine_is_ahead():
    machine = Machine(wall_ahead=7200)
    clock = ProviderClock(machine.wall, machine.uptime)
    assert clock.skew() is None
    machine.ask(clock, there=0.1, back=0.1)
    assert timedelta(hours=2, seconds=-2) < clock.skew() <= timedelta(hours=2)
    machine.wall_ahead = -7200
    assert timedelta(hours=-2, seconds=-2) < clock.skew() <= timedelta(hours=-2, seconds=2)


def test_an_instant_tells_the_least_and_the_most_that_passed():
    before = Instant(wall=BEGAN, uptime_seconds=10)
    paused = Instant(wall=BEGAN + HOUR, uptime_seconds=11)
    assert paused.elapsed(before) == (timedelta(seconds=1), HOUR)
    set_back = Instant(wall=BEGAN - HOUR, uptime_seconds=70)
    assert set_back.elapsed(before) == (timedelta(0), timedelta(seconds=60))


def test_a_date_that_no_clock_shows_is_not_read():
    assert read_date("Mon, 23 Nov 2026 12:00:00 GMT") == BEGAN
    for odd in ("", "soon", "Mon, 23 Nov 9999999999 12:00:00 GMT", "Thu, 01 Jan 1970 00:00:00 GMT"):
        assert read_date(odd) is None
    assert read_date("Mon, 23 Nov 2026 12:00:00 GMT" + 80 * " ") is None
