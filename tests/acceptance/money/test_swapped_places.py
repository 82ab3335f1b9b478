"""A link that is put in the place of a film after it was listed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from money_world import PRICE

from flows.pipeline.runner import LocalRunner

pytestmark = pytest.mark.anyio

FILM = "film-001.mp4"


class Stranger(LocalRunner):
    """Exchanges something once the source was listed, before anything is sent."""

    def __init__(self, exchange) -> None:
        super().__init__()
        self._exchange = exchange

    async def agree(self, plan, stats):
        self._exchange()
        return await super().agree(plan, stats)


def like(other: Path, path: Path) -> None:
    """Give a file the size and time of another."""
    status = path.stat()
    other.write_bytes(os.urandom(status.st_size))
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))


async def test_a_link_that_takes_a_films_place_after_the_listing_is_not_followed(world, tmp_path):
    here = await world()
    film, secret = here.folder / FILM, tmp_path / "secret.mp4"
    like(secret, film)

    def exchange():
        film.unlink()
        film.symlink_to(secret)

    report = await here.run(runner=Stranger(exchange))

    assert report.exit_code == 1
    (failure,) = report.stats.failures
    assert "--follow-links" in failure.reason
    books = await here.check()
    assert (books.audit["accepted"], books.audit["requests"]["put"]) == (2, 2)
    assert books.totals.charged == 2 * PRICE
