"""Objects are probed in children without credentials: a link opens the one that is looked at."""

from __future__ import annotations

import asyncio
import multiprocessing

import psutil

from catalog.values import ProbeStatus
from tasks.media.pool import InspectPool
from tasks.storage.registry import Stores
from tasks.storage.store import S3Options, StoreOptions


def test_children_read_a_bucket_without_its_keys(bucket, clips, s3_server, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_server.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_server.secret_key)
    options = S3Options(endpoint_url=s3_server.url, region="us-east-1", max_attempts=2)
    stores = Stores(StoreOptions(s3=options))
    film = stores.look(bucket.put("sea, far \u6d77?&.mp4", clips["plain.mp4"].read_bytes()))
    gone = stores.look(bucket.put("gone.mp4", b"x" * 9000))
    other = stores.look(bucket.put("other.mp4", b"x" * 9000))
    bucket.remove(gone.uri)
    bucket.put("other.mp4", b"y" * 9000)

    async def scenario():
        async with InspectPool(stores, workers=1, threads_per_worker=2) as pool:
            found = await pool.inspect_all([film, gone, other])
            known = [psutil.Process(one.pid).environ() for one in multiprocessing.active_children()]
            return found, known

    (seen, *refused), known = asyncio.run(scenario())
    assert (seen.probe.status, seen.probe.video_codec) == (ProbeStatus.OK, "h264")
    assert seen.requests
    assert [one.probe.status for one in refused] == [ProbeStatus.DEFERRED] * 2
    assert known
    for environment in known:
        assert not [name for name in environment if name.startswith("AWS_")]
        assert s3_server.secret_key not in str(environment)


def test_what_the_owner_may_not_sign_is_refused_in_one_sentence(bucket, s3_server):
    stores = Stores(
        StoreOptions(
            s3=S3Options(endpoint_url=s3_server.url, region="us-east-1", profile="wrong-secret")
        )
    )
    listing = bucket.stores.look(bucket.put("film.mp4", b"x" * 9000))

    async def scenario():
        async with InspectPool(stores, workers=1) as pool:
            return await pool.inspect(listing)

    found = asyncio.run(scenario())
    assert found.probe.status is not ProbeStatus.OK
    assert "X-Amz" not in found.probe.error
    assert found.probe.error.startswith("The file was not read: ")
