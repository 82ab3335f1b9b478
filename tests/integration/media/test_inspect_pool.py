"""The pool: answers as one look would give them, and a crash or a hang that costs one file."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap

import psutil
import pytest
from range_server import RangeServer, WebFile

from catalog.errors import UsageError
from catalog.values import ProbeStatus
from tasks.media.inspect import inspect
from tasks.media.pool import InspectPool
from tasks.media.pyav import PyAv
from tasks.media.tags import Whereabouts
from tasks.storage.registry import Stores
from tasks.storage.uris import file_uri

STORES = Stores()
NAMES = ("plain.mp4", "plain.mkv", "sound.mp4", "picture.jpg", "encrypted.mp4")


class StallingServer(RangeServer):
    """Answers for every file but those called `stall`, for which it waits to be released."""

    def __init__(self) -> None:
        self.stalled = asyncio.Queue()
        self.loop = asyncio.get_running_loop()
        super().__init__()

    def answer(self, request) -> None:
        if request.path == "/stall" and request.command == "GET":
            self.loop.call_soon_threadsafe(self.stalled.put_nowait, request.path)
            # Until whoever asked is dead: nothing more comes down the line.
            request.rfile.read(1)
            return
        super().answer(request)


@pytest.fixture
def listings(clips):
    return [STORES.look(file_uri(clips[name])) for name in NAMES]


def around_a_stall(server, clips):
    """A good file, one that never comes, and another good one."""
    path = clips["plain.mp4"]
    server.files["stall"] = WebFile(data=path.read_bytes())
    good = STORES.look(file_uri(path))
    return [good, STORES.look(f"{server.url}/stall"), good]


async def inspect_all(pool, listings):
    return await asyncio.gather(*map(pool.inspect, listings))


async def in_turn(pool, listings, server, kill):
    """Inspect while `kill` is called each time the server stalls."""

    async def killing():
        while True:
            await server.stalled.get()
            kill()

    killer = asyncio.create_task(killing())
    try:
        return await inspect_all(pool, listings)
    finally:
        killer.cancel()


def kill_children(number):
    for child in multiprocessing.active_children():
        os.kill(child.pid, number)


def statuses(inspections):
    return [inspection.probe.status.value for inspection in inspections]


def test_the_pool_answers_what_one_look_answers(listings):
    async def scenario():
        async with InspectPool(STORES, workers=2) as pool:
            return await inspect_all(pool, listings * 20)

    expected = [
        inspect(
            listing,
            reader=STORES.reader(listing.uri),
            engines=[PyAv()],
            whereabouts=Whereabouts.DROP,
        )
        for listing in listings
    ]
    assert asyncio.run(scenario()) == expected * 20


def test_no_child_starts_before_there_is_work_or_outlives_the_pool(listings):
    async def scenario():
        before = set(multiprocessing.active_children())
        async with InspectPool(STORES, workers=1) as pool:
            assert set(multiprocessing.active_children()) == before
            await pool.inspect(listings[0])
            assert set(multiprocessing.active_children()) != before
        assert set(multiprocessing.active_children()) == before

    asyncio.run(scenario())


def test_children_import_nothing_from_the_current_folder(listings, tmp_path, monkeypatch):
    (tmp_path / "struct.py").write_text("raise SystemExit('imported from the archive')")
    monkeypatch.chdir(tmp_path)

    async def scenario():
        async with InspectPool(STORES, workers=1) as pool:
            return await pool.inspect_all(listings)

    assert all(inspection.content_id for inspection in asyncio.run(scenario()))


@pytest.mark.parametrize("before", [None, "", "1"])
def test_the_environment_is_as_before_once_no_pool_needs_it(monkeypatch, before):
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    if before is not None:
        monkeypatch.setenv("PYTHONSAFEPATH", before)

    async def scenario():
        first, second = InspectPool(STORES), InspectPool(STORES)
        await first.__aenter__()
        async with second:
            await first.__aexit__(None, None, None)
            assert os.environ["PYTHONSAFEPATH"] == "1"

    asyncio.run(scenario())
    assert os.environ.get("PYTHONSAFEPATH") == before


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_child_that_dies_costs_only_its_file(clips, number):
    async def scenario():
        server = StallingServer()
        files = around_a_stall(server, clips)
        try:
            async with InspectPool(STORES, workers=1) as pool:
                found = await in_turn(pool, files, server, lambda: kill_children(number))
                return found, await pool.inspect(files[0])
        finally:
            server.close()

    found, later = asyncio.run(scenario())
    assert statuses(found) == ["ok", "engine_error", "ok"]
    assert signal.Signals(number).name in found[1].probe.error
    assert later.probe.status is ProbeStatus.OK


def test_a_read_that_hangs_costs_only_its_file(clips):
    async def scenario():
        server = StallingServer()
        files = around_a_stall(server, clips)
        try:
            async with InspectPool(STORES, workers=1, timeout_seconds=2) as pool:
                found = await inspect_all(pool, files)
                return found, await pool.inspect(files[0])
        finally:
            server.close()

    found, later = asyncio.run(scenario())
    assert statuses(found) == ["ok", "engine_error", "ok"]
    assert "longer than 2 seconds" in found[1].probe.error
    assert later.probe.status is ProbeStatus.OK


def test_a_pool_that_broke_while_idle_is_replaced(listings):
    async def scenario():
        async with InspectPool(STORES, workers=2) as pool:
            first = await inspect_all(pool, listings)
            kill_children(signal.SIGKILL)
            return first, await inspect_all(pool, listings)

    first, second = asyncio.run(scenario())
    assert first == second


def test_threads_within_a_child_answer_in_order(clips):
    async def scenario():
        server = RangeServer()
        try:
            for name in NAMES:
                server.files[name] = WebFile(data=clips[name].read_bytes())
            files = [STORES.look(f"{server.url}/{name}") for name in NAMES] * 6
            async with InspectPool(STORES, workers=1, threads_per_worker=4) as pool:
                return await inspect_all(pool, files)
        finally:
            server.close()

    found = asyncio.run(scenario())
    assert statuses(found) == ["ok", "ok", "no_video", "no_video", "encrypted"] * 6


def test_who_goes_away_leaves_the_pool_in_order(listings):
    async def scenario():
        async with InspectPool(STORES, workers=1) as pool:
            leaving = asyncio.create_task(pool.inspect(listings[0]))
            await asyncio.sleep(0)
            leaving.cancel()
            return await pool.inspect(listings[1])

    assert asyncio.run(scenario()).probe.status is ProbeStatus.OK


def test_what_nobody_can_open_is_told_to_whoever_asked(listings):
    async def scenario():
        async with InspectPool(STORES, workers=1) as pool:
            with pytest.raises(UsageError):
                await pool.inspect(listings[0]._replace(uri="gopher://there/x.mp4"))
            return await pool.inspect(listings[0])

    assert asyncio.run(scenario()).probe.status is ProbeStatus.OK


def test_leaving_the_pool_lets_go_of_whoever_waits(clips):
    async def scenario():
        server = StallingServer()
        files = around_a_stall(server, clips)
        try:
            async with InspectPool(STORES, workers=1) as pool:
                waiting = [asyncio.create_task(pool.inspect(files[1])) for _ in range(9)]
                await server.stalled.get()
            return await asyncio.gather(*waiting, return_exceptions=True)
        finally:
            server.close()

    left = asyncio.run(scenario())
    assert [type(one) for one in left] == [asyncio.CancelledError] * 9


def test_children_end_when_their_parent_is_killed(listings, tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import asyncio, multiprocessing, sys
            sys.path[:] = {sys.path!r}
            from tasks.media.pool import InspectPool
            from tasks.storage.registry import Stores

            async def main():
                stores = Stores()
                async with InspectPool(stores, workers=2) as pool:
                    await pool.inspect(stores.look({listings[0].uri!r}))
                    print(*(c.pid for c in multiprocessing.active_children()), flush=True)
                    await asyncio.sleep(600)

            if __name__ == "__main__":
                asyncio.run(main())
            """
        )
    )
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        children = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        parent.kill()
    assert len(children) == 2
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []
