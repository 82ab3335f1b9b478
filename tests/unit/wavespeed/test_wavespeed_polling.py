import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.wavespeed.polling import PollSchedule, ServiceTimes, schedule_for

SECONDS = st.floats(0, 100_000, allow_nan=False)
TIMES = st.lists(SECONDS, max_size=300).map(ServiceTimes)
SCHEDULE = st.builds(PollSchedule, min_gap_seconds=st.floats(0.01, 60))
TROUBLES = st.integers(0, 10_000)
ASKED = st.none() | st.floats(0, 1e9)
JITTER = st.floats(0, 1)


def lognormal(count):
    rng = random.Random(7)
    return ServiceTimes(rng.lognormvariate(2.647, 0.5) for _ in range(count))


@given(schedule=SCHEDULE, age=SECONDS, times=TIMES, troubles=TROUBLES, asked=ASKED, jitter=JITTER)
def test_two_looks_are_never_closer_than_allowed_nor_absurdly_far(
    *, schedule, age, times, troubles, asked, jitter
):
    wait = schedule.next_look_seconds(
        age_seconds=age,
        times=times,
        troubles=troubles,
        retry_after_seconds=asked,
        jitter=jitter,
    )
    assert schedule.min_gap_seconds <= wait <= schedule.most_wait_seconds


@given(SCHEDULE, SECONDS, TIMES)
def test_without_trouble_nobody_waits_longer_than_the_longest_gap(schedule, age, times):
    wait = schedule.next_look_seconds(age_seconds=age, times=times)
    assert wait <= max(schedule.most_gap_seconds, schedule.min_gap_seconds)


@given(SCHEDULE, SECONDS, TIMES, st.integers(1, 10_000), JITTER)
def test_more_trouble_never_shortens_the_wait(schedule, age, times, troubles, jitter):
    def wait(count):
        return schedule.next_look_seconds(
            age_seconds=age, times=times, troubles=count, jitter=jitter
        )

    assert wait(troubles) <= wait(troubles + 1)


@given(SCHEDULE, SECONDS, TIMES, TROUBLES, st.floats(0, 300))
def test_what_the_provider_asks_for_is_obeyed(schedule, age, times, troubles, asked):
    wait = schedule.next_look_seconds(
        age_seconds=age, times=times, troubles=troubles, retry_after_seconds=asked
    )
    assert wait >= asked


@given(SCHEDULE, SECONDS, SECONDS)
def test_with_nothing_known_older_predictions_are_looked_at_more_rarely(schedule, one, other):
    younger, older = sorted((one, other))
    nothing = ServiceTimes()
    assert schedule.next_look_seconds(
        age_seconds=younger, times=nothing
    ) <= schedule.next_look_seconds(age_seconds=older, times=nothing)


@given(SCHEDULE, TIMES)
def test_the_first_look_is_bounded_too(schedule, times):
    first = schedule.first_look_seconds(times)
    assert schedule.min_gap_seconds <= first <= max(30.0, 1.6 * schedule.min_gap_seconds)


def test_with_nothing_known_the_first_look_is_when_a_tenth_is_done_at_sixteen_seconds_each():
    assert PollSchedule().first_look_seconds(ServiceTimes()) == 8.0


def test_the_first_look_follows_what_predictions_took():
    slow = ServiceTimes([40.0 + second for second in range(100)])
    assert PollSchedule().first_look_seconds(slow) == 30.0
    assert 8.0 <= PollSchedule().first_look_seconds(lognormal(200)) <= 14.0


@pytest.mark.parametrize(("age", "wait"), [(60, 15), (120, 30), (86_400, 30)])
def test_late_ones_are_looked_at_every_15_to_30_seconds(age, wait):
    assert PollSchedule().next_look_seconds(age_seconds=age, times=lognormal(200)) == wait


@given(SCHEDULE, SECONDS, TIMES, TROUBLES, st.floats(0, 300))
def test_the_last_ones_are_looked_at_sooner_but_never_too_soon(
    schedule, age, times, troubles, asked
):
    def wait(*, few):
        return schedule.next_look_seconds(
            age_seconds=age, times=times, troubles=troubles, retry_after_seconds=asked, few=few
        )

    assert max(schedule.min_gap_seconds, asked) <= wait(few=True) <= wait(few=False)


@pytest.mark.parametrize("age", [0, 1, 8])
def test_a_broken_look_is_repeated_soon_and_only_a_row_of_them_stretches_the_wait(age):
    waits = [
        PollSchedule().next_look_seconds(
            age_seconds=age, times=ServiceTimes(), troubles=troubles, few=True
        )
        for troubles in range(8)
    ]
    assert waits == [5, 5, 10, 20, 40, 80, 160, 300]


def test_a_broken_look_is_repeated_soon_however_old_the_prediction_is():
    schedule = PollSchedule()
    assert schedule.next_look_seconds(age_seconds=600, times=lognormal(200)) == 30
    assert schedule.next_look_seconds(age_seconds=600, times=lognormal(200), troubles=1) == 5


@pytest.mark.parametrize(
    ("took", "waiting", "gap"),
    [
        (None, 1, 1),
        (None, 400, 1),
        (None, 1_000, 2.5),
        (None, 5_000, 5),
        (3, 12, 1),
        (16, 12, 2),
        (150, 12, 5),
        (3, 10_000, 5),
    ],
)
def test_the_least_gap_follows_what_predictions_take_and_how_many_wait(took, waiting, gap):
    times = ServiceTimes([] if took is None else [float(took)] * 100)
    fitted = schedule_for(None).fitted(times, waiting=waiting)
    assert fitted.min_gap_seconds == gap


@given(TIMES, st.integers(0, 100_000))
def test_a_gap_that_was_set_is_kept_to(times, waiting):
    schedule = schedule_for(timedelta(seconds=5))
    assert schedule.fitted(times, waiting=waiting).min_gap_seconds == 5


@given(TIMES, st.integers(0, 100_000), SECONDS, TROUBLES)
def test_no_two_looks_are_closer_than_a_second_where_nothing_is_set(times, waiting, age, troubles):
    fitted = schedule_for(None).fitted(times, waiting=waiting)
    assert 1 <= fitted.min_gap_seconds <= 5
    wait = fitted.next_look_seconds(age_seconds=age, times=times, troubles=troubles, few=True)
    assert wait >= fitted.min_gap_seconds


@pytest.mark.parametrize(("age", "wait"), [(30, 5), (60, 7.5), (120, 15), (86_400, 30)])
def test_a_run_does_not_wait_long_for_its_last_ones(age, wait):
    schedule = PollSchedule()
    assert schedule.next_look_seconds(age_seconds=age, times=lognormal(200), few=True) == wait


def test_the_whole_schedule_scales_with_the_least_gap():
    times = ServiceTimes(second / 100 for second in range(5, 105))
    quick = PollSchedule(min_gap_seconds=0.05)
    assert quick.first_look_seconds(times) < 0.4
    assert quick.next_look_seconds(age_seconds=0.3, times=times) < 0.2


def test_few_observations_do_not_set_the_pace():
    schedule = PollSchedule(min_gap_seconds=0.1)
    assert schedule.first_look_seconds(ServiceTimes([1.0] * 9)) == pytest.approx(0.16)
    assert schedule.first_look_seconds(ServiceTimes([1.0] * 10)) == 1.0


def test_old_observations_are_forgotten():
    times = ServiceTimes([100.0] * 1000)
    for _ in range(2000):
        times.saw(unfinished_at_seconds=0.9, finished_at_seconds=1.1)
    assert PollSchedule(min_gap_seconds=0.1).first_look_seconds(times) <= 1.1
    assert len(times) < 2000


def test_a_provider_that_became_faster_is_noticed_although_looks_see_ends_late():
    times, schedule = lognormal(256), PollSchedule(min_gap_seconds=1.0)
    for _ in range(2000):
        # All take 2 s now, so each is found finished by its first look.
        times.saw(unfinished_at_seconds=0.0, finished_at_seconds=schedule.first_look_seconds(times))
    assert schedule.first_look_seconds(times) <= 2.5


def test_a_usual_night_takes_few_looks_and_little_waiting():
    rng, schedule, times = random.Random(11), PollSchedule(), ServiceTimes()
    looks, lag, count = 0, 0.0, 2000
    for _ in range(count):
        took = rng.lognormvariate(2.647, 0.5)
        seen, at = 0.0, schedule.first_look_seconds(times)
        looks += 1
        while at < took:
            seen, looks = at, looks + 1
            at += schedule.next_look_seconds(age_seconds=at, times=times)
        times.saw(unfinished_at_seconds=seen, finished_at_seconds=at)
        lag += at - took
    assert looks / count < 2.6
    assert lag / count < 3.2
