"""A list that lacks what was certainly accepted lags, and proves nothing of that time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from catalog.matching import Evidence, Known, Lost, NeverAccepted, StillUncertain, judge
from catalog.values import ListedPrediction

BEGAN = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DELAY = timedelta(seconds=60)


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("missing", "verdict"),
    [
        ([], NeverAccepted),
        ([-30], StillUncertain),  # accepted before, and not shown yet
        ([1], StillUncertain),
        ([30], StillUncertain),  # accepted after, and not shown although it should be by now
        ([110], NeverAccepted),  # younger than the delay: that list may be in time
        ([110, 1], StillUncertain),
    ],
)
def test_an_absence_counts_only_in_a_list_that_shows_what_it_must(missing, verdict):
    witness = ListedPrediction(
        provider_id="later", status="processing", created_at=at(11), video_url=None
    )
    found = Evidence(
        listed=(witness,),
        known={"later": Known(token="later", submitted_at=at(10))},
        unanswered=(),
        complete=True,
        exclusive=False,
        missing=[at(seconds) for seconds in missing],
    )
    submission = Lost(prediction_id=1, token="t", submitted_at=at(0), lost_at=at(2))
    [reached] = judge([submission], found, settle_delay=DELAY, now=at(120))
    assert isinstance(reached, verdict)
