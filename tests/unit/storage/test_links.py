from datetime import UTC, datetime, timedelta

import pytest

from tasks.storage.errors import LinkTooShort
from tasks.storage.s3.objects import link_life

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)


def life(wanted: timedelta, left: timedelta | None = None) -> timedelta:
    expiry = None if left is None else NOW + left
    return link_life("s3://b/k", wanted=wanted, credentials_expire_at=expiry, now=NOW)


def test_a_link_lives_as_long_as_it_was_asked_to():
    assert life(timedelta(hours=3)) == timedelta(hours=3)


def test_a_link_never_lives_longer_than_seven_days():
    assert life(timedelta(days=30)) == timedelta(days=7)


def test_a_link_never_outlives_its_credentials():
    assert life(timedelta(hours=3), timedelta(hours=1)) == timedelta(hours=1)
    assert life(timedelta(hours=3), timedelta(hours=5)) == timedelta(hours=3)


def test_credentials_about_to_expire_sign_nothing():
    with pytest.raises(LinkTooShort, match="renew them"):
        life(timedelta(hours=3), timedelta(minutes=14))
    with pytest.raises(LinkTooShort):
        life(timedelta(hours=3), timedelta(minutes=-1))


def test_a_short_link_needs_only_credentials_that_live_as_long():
    assert life(timedelta(minutes=2), timedelta(minutes=3)) == timedelta(minutes=2)
