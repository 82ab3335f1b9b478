"""A plan: every analysis is counted once, in order, and what is bought fits."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from catalog.analyses import PendingAnalysis
from catalog.planning import Terms, make_plan
from catalog.pricing import MOLMO2_PRICES, OFFLINE_PRICES
from catalog.values import AnalysisStatus, AnalysisType


def left(analysis_id: int, **changes) -> PendingAnalysis:
    return PendingAnalysis(
        **{
            "analysis_id": analysis_id,
            "video_id": analysis_id,
            "task": AnalysisType.SUMMARY,
            "status": AnalysisStatus.WANTED,
            "duration_seconds": Decimal(10),
            "uri": f"file:///films/{analysis_id}.mp4",
            "name": f"{analysis_id}.mp4",
        }
        | changes
    )


def terms(**changes) -> Terms:
    return Terms(
        **{
            "prices": MOLMO2_PRICES,
            "free_micros": None,
            "most_videos": None,
            "retry_failed": False,
            "accepts": lambda _: True,
        }
        | changes
    )


def bought(plan) -> list[int]:
    return [job.left.analysis_id for job in plan.jobs]


def test_each_analysis_is_counted_under_what_it_is():
    stream = [
        left(1),
        left(2, status=AnalysisStatus.COMPLETED),
        left(3, status=AnalysisStatus.PENDING),
        left(4, status=AnalysisStatus.UNCERTAIN),
        left(5, status=AnalysisStatus.FAILED),
        left(6, duration_seconds=None),
        left(7, duration_seconds=Decimal(60)),
    ]
    plan = make_plan(stream, terms(free_micros=20_000))
    assert bought(plan) == [1]
    assert [job.left.analysis_id for job in plan.over_budget] == [7]
    assert [one.analysis_id for one in plan.unquotable] == [6]
    assert (plan.wanted, plan.done_before, plan.failed_before, plan.in_flight_elsewhere) == (
        7,
        1,
        1,
        2,
    )
    assert (plan.quoted_micros, plan.planned_micros) == (70_000, 10_000)


def test_what_the_run_itself_has_collected_was_not_done_before_it():
    stream = [
        left(1, status=AnalysisStatus.COMPLETED),
        left(2, status=AnalysisStatus.COMPLETED),
        left(3, status=AnalysisStatus.FAILED),
        left(4, status=AnalysisStatus.PENDING),  # about to be written down
        left(5, status=AnalysisStatus.WANTED),  # failed for a passing reason: still to be had
    ]
    plan = make_plan(stream, terms(collected={2, 3, 4, 5}))
    assert (plan.collected, plan.done_before) == (2, 1)
    assert (plan.failed_before, plan.in_flight_elsewhere) == (1, 0)
    assert bought(plan) == [5]


def test_a_failed_analysis_is_bought_again_only_when_asked():
    failed = [left(1, status=AnalysisStatus.FAILED)]
    assert bought(make_plan(failed, terms())) == []
    assert bought(make_plan(failed, terms(retry_failed=True))) == [1]


def test_the_first_place_that_the_run_is_about_stands_for_a_video_in_many():
    stream = [left(1, uri="file:///a", name="a"), left(1, uri="file:///b", name="b")]
    plan = make_plan(stream, terms(accepts=lambda uri: uri == "file:///b"))
    assert [job.left.uri for job in plan.jobs] == ["file:///b"]
    assert plan.wanted == 1


def test_a_limit_of_videos_counts_videos_and_not_their_tasks():
    stream = [left(number, video_id=number // 2) for number in range(10)]
    plan = make_plan(stream, terms(most_videos=2))
    assert bought(plan) == [0, 1, 2, 3]
    assert plan.beyond_limit == 6


def test_what_is_done_does_not_use_up_the_limit_of_videos():
    stream = [left(1, status=AnalysisStatus.COMPLETED), left(2)]
    assert bought(make_plan(stream, terms(most_videos=1))) == [2]


def test_an_unknown_length_is_free_where_everything_is():
    assert bought(make_plan([left(1, duration_seconds=None)], terms(prices=OFFLINE_PRICES))) == [1]


@given(
    st.lists(
        st.builds(
            left,
            st.integers(0, 30),
            video_id=st.integers(0, 5),
            status=st.sampled_from(AnalysisStatus),
            duration_seconds=st.none() | st.decimals("0.1", "300", places=2),
        ),
        max_size=40,
    ),
    st.none() | st.integers(0, 500_000),
    st.none() | st.integers(0, 5),
    st.booleans(),
    st.sets(st.integers(0, 30)),
)
def test_nothing_is_lost_counted_twice_or_over_budget(stream, free, most, retry, collected):
    plan = make_plan(
        stream,
        terms(free_micros=free, most_videos=most, retry_failed=retry, collected=collected),
    )
    assert plan.wanted == len({one.analysis_id for one in stream})
    assert plan.wanted == sum(
        [
            len(plan.jobs),
            len(plan.over_budget),
            len(plan.unquotable),
            plan.done_before,
            plan.failed_before,
            plan.collected,
            plan.in_flight_elsewhere,
            plan.beyond_limit,
        ]
    )
    assert free is None or plan.planned_micros <= free
    assert len(set(bought(plan))) == len(plan.jobs)
    assert most is None or len({job.left.video_id for job in plan.jobs}) <= most
