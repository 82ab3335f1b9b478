import json
from datetime import UTC, datetime

import pytest

from catalog.values import ListedPrediction
from tasks.wavespeed.paging import read_history
from tasks.wavespeed.wire import Envelope, read_time

ID = "e6832d4abffb4d79bfbca19783fca133"
URL = "https://host/a.mp4?reelcat=t1"


def page_of(data):
    return read_history(Envelope(code=200, data=data))


@pytest.mark.parametrize("name", ["inputs", "input"])
def test_a_row_is_read_with_its_input_video_under_either_name(name):
    page = page_of(
        {
            "page": 1,
            "items": [
                {
                    "id": ID,
                    "status": "completed",
                    "created_at": "2026-11-20T06:09:15Z",
                    name: {"video": URL, "task": "summary"},
                }
            ],
        }
    )
    assert page is not None
    assert page.predictions == (
        ListedPrediction(
            provider_id=ID,
            status="completed",
            created_at=datetime(2026, 11, 20, 6, 9, 15, tzinfo=UTC),
            video_url=URL,
        ),
    )


@pytest.mark.parametrize("inputs", [None, "odd", {}, {"video": None}, {"video": ""}, []])
def test_a_row_that_echoes_no_video_has_none(inputs):
    page = page_of({"items": [{"id": ID, "status": "created", "inputs": inputs}]})
    assert page is not None
    assert [row.video_url for row in page.predictions] == [None]


def test_rows_that_cannot_be_read_still_count_for_the_end_of_the_list():
    page = page_of({"items": [{"id": "/"}, None, "odd", {}, {"id": ID}]})
    assert page is not None
    assert [row.provider_id for row in page.predictions] == [ID]
    assert (page.end.rows, page.unreadable) == (5, 4)


@pytest.mark.parametrize("data", [None, {}, {"total": 0}, {"items": 3}, "rows"])
def test_what_is_no_page_is_not_an_empty_page(data):
    assert page_of(data) is None


def test_a_listed_video_address_is_not_in_the_repr():
    page = page_of({"items": [{"id": ID, "inputs": {"video": URL}}]})
    assert "reelcat=t1" not in repr(page)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2025-05-19T06:09:15.948268264Z", datetime(2025, 5, 19, 6, 9, 15, 948268, tzinfo=UTC)),
        ("2025-05-19T06:09:15.948Z", datetime(2025, 5, 19, 6, 9, 15, 948000, tzinfo=UTC)),
        ("2025-05-19T08:09:15+02:00", datetime(2025, 5, 19, 6, 9, 15, tzinfo=UTC)),
        ("2025-05-19T06:09:15", datetime(2025, 5, 19, 6, 9, 15, tzinfo=UTC)),
        ("0001-01-01T00:00:00+05:00", None),
        ("yesterday", None),
        ("", None),
        (1747634955, None),
        (None, None),
    ],
)
def test_times_are_read_in_utc_or_not_at_all(value, expected):
    assert read_time(value) == expected


def test_the_envelope_survives_fields_of_the_wrong_type():
    body = json.loads('{"code": "two hundred", "message": ["no"], "data": 1}')
    assert Envelope.model_validate(body) == Envelope(code=None, message=None, data=1)
