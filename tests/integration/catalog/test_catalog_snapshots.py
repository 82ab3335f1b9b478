"""What a reader sees while others write."""

from __future__ import annotations

import pytest
from catalog_rows import FOLDER, NOW, start_run
from sqlalchemy import func, select

from catalog import locations, runs
from catalog.database import Catalog
from catalog.models import Run
from catalog.values import SourceKind


@pytest.mark.parametrize("opened", [Catalog.read, Catalog.snapshot])
def test_a_read_is_one_snapshot_however_many_questions_it_asks(catalog, opened):
    counting = select(func.count()).select_from(Run)
    with opened(catalog) as reading:
        assert reading.scalar(counting) == 0
        start_run(catalog, "meanwhile", None)
        assert reading.scalar(counting) == 0
    with opened(catalog) as reading:
        assert reading.scalar(counting) == 1


def test_nothing_written_through_a_read_is_kept(catalog):
    with catalog.read() as session:
        runs.bury(session, ["no such run"], now=NOW)
    with catalog.read() as session:
        assert session.scalar(select(func.count()).select_from(Run)) == 0


def test_a_change_that_raises_leaves_nothing_behind(catalog):
    class Interrupted(Exception):
        pass

    def change(session):
        locations.register(session, FOLDER, SourceKind.FOLDER)
        session.flush()
        raise Interrupted

    with pytest.raises(Interrupted):
        catalog.write(change)
    with catalog.read() as session:
        assert session.scalar(select(func.count()).select_from(locations.Source)) == 0
