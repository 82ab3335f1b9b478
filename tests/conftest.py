"""Fixtures for every kind of test.

`clips`: small videos made on demand; see tests/support/clips.py.
`catalog`, `catalog_url`, `empty_url`: catalogs on both databases; see tests/support/catalogs.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from catalogs import (
    catalog,
    catalog_url,
    empty_url,
    postgresql_shelf,
    shelf,
    sqlite_shelf,
)
from clips import Clips
from hypothesis import HealthCheck, settings

__all__ = [
    "catalog",
    "catalog_url",
    "empty_url",
    "postgresql_shelf",
    "shelf",
    "sqlite_shelf",
]

# How long an example takes is nothing that a test asserts.
settings.register_profile("reelcat", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("reelcat")


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    """Small videos by name, made when first asked for and kept for the session."""
    return Clips(tmp_path_factory.mktemp("clips"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what was measured to be slow; see tests/slow.txt."""
    lines = (Path(__file__).parent / "slow.txt").read_text("utf-8").splitlines()
    slow = {line for line in lines if line and not line.startswith("#")}
    for item in items:
        if item.nodeid.partition("[")[0].partition("@")[0] in slow:
            item.add_marker(pytest.mark.slow)
