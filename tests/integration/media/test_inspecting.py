"""One look at a location: identity, measurement and what they cost."""

from __future__ import annotations

import subprocess
import sys

import pytest
from range_server import RangeServer, WebFile

from catalog.values import ProbeStatus
from tasks.media.inspect import EngineChoice, InspectOptions, engines_for, inspect
from tasks.media.pyav import PyAv
from tasks.media.tags import Whereabouts
from tasks.storage.registry import Stores
from tasks.storage.store import ReadCaps, StoreOptions
from tasks.storage.uris import file_uri

STORES = Stores()


@pytest.fixture
def server():
    listening = RangeServer()
    yield listening
    listening.close()


def look(listing, stores=STORES):
    return inspect(
        listing,
        reader=stores.reader(listing.uri),
        engines=[PyAv()],
        whereabouts=Whereabouts.DROP,
    )


def served(server, path, stores=STORES):
    server.files[path.name] = WebFile(data=path.read_bytes())
    return stores.look(f"{server.url}/{path.name}")


def test_a_file_is_the_same_video_on_disk_and_far_away(clips, server):
    here = look(STORES.look(file_uri(clips["plain.mp4"])))
    there = look(served(server, clips["plain.mp4"]))
    assert here.content_id == there.content_id
    assert here.probe == there.probe


def test_what_it_cost_is_counted(clips, server):
    size = clips["plain.mp4"].stat().st_size
    here = look(STORES.look(file_uri(clips["plain.mp4"])))
    assert (here.size, here.requests) == (size, 0)
    assert here.bytes_read >= size
    there = look(served(server, clips["plain.mp4"]))
    assert there.bytes_read >= size
    assert there.requests == server.count()["GET"] > 0


@pytest.mark.parametrize("name", ["plain.mp4", "index-at-end.mp4", "plain.mkv", "fragmented.mp4"])
def test_a_large_file_far_away_costs_a_few_requests(clips, server, name):
    # One second of noise that does not compress, so that the file is larger than its samples.
    noise = clips.make(
        f"noise-{name}",
        *("-f", "lavfi", "-i", "nullsrc=size=640x480:rate=25:duration=4,geq=random(1)*255:128:128"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-crf", "1", "-pix_fmt", "yuv420p"),
        *(("-movflags", "+faststart") if name == "plain.mp4" else ()),
        *(("-movflags", "+frag_keyframe+empty_moov") if name == "fragmented.mp4" else ()),
    )
    assert noise.stat().st_size > 10_000_000
    found = look(served(server, noise))
    assert found.probe.status is ProbeStatus.OK
    assert found.requests <= 12
    assert found.bytes_read <= 6_000_000


def test_reading_that_would_cost_too_much_is_given_up_and_says_so(clips, server):
    stores = Stores(StoreOptions(caps=ReadCaps(max_requests=0)))
    found = look(served(server, clips["plain.mp4"], stores), stores)
    assert found.probe.status is ProbeStatus.ENGINE_ERROR
    assert found.probe.error.startswith("The file was not read: ")


def test_a_file_that_vanished_is_put_off(clips, tmp_path):
    path = tmp_path / "gone.mp4"
    path.write_bytes(clips["plain.mp4"].read_bytes())
    listing = STORES.look(file_uri(path))
    path.unlink()
    found = look(listing)
    assert (found.content_id, found.probe.status) == (None, ProbeStatus.DEFERRED)


def test_a_file_that_grew_is_put_off(clips):
    listing = STORES.look(file_uri(clips["plain.mp4"]))
    found = look(listing._replace(size=listing.size - 1))
    assert (found.content_id, found.probe.status) == (None, ProbeStatus.DEFERRED)


def test_a_server_that_is_gone_is_an_engine_error_tried_again_later(clips, server):
    listing = served(server, clips["plain.mp4"])
    server.files["plain.mp4"].troubles = [500] * 50
    found = look(listing)
    assert (found.content_id, found.probe.status) == (None, ProbeStatus.ENGINE_ERROR)
    assert server.url not in found.probe.error


def test_an_original_is_not_changed_by_looking(clips):
    path = clips["plain.mp4"]
    before = path.stat()
    look(STORES.look(file_uri(path)))
    after = path.stat()
    assert (after.st_mtime_ns, after.st_size) == (before.st_mtime_ns, before.st_size)
    assert not [p for p in path.parent.iterdir() if p.name.startswith((".", "~"))]


def test_each_choice_of_engine_has_an_order():
    def names(**options):
        return [type(e).__name__ for e in engines_for(InspectOptions(**options))]

    assert names() == ["PyAv"]
    assert names(ffprobe="/usr/bin/ffprobe") == ["PyAv", "Ffprobe"]
    assert names(engine=EngineChoice.PYAV, ffprobe="/usr/bin/ffprobe") == ["PyAv"]
    assert names(engine=EngineChoice.FFPROBE, ffprobe="/usr/bin/ffprobe") == ["Ffprobe", "PyAv"]
    assert names(engine=EngineChoice.FFPROBE) == ["PyAv"]


def test_commands_that_open_no_file_do_not_load_ffmpeg():
    code = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "import tasks.media.pool, tasks.media.binaries\n"
        "print({'av', 'ffmpeg', 'imageio_ffmpeg', 'boto3', 'httpx'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    assert answer.stdout.strip() == "set()"


class After(list):
    """Answers of a server that turns bad after so many good ones."""

    def __init__(self, good, status):
        super().__init__()
        self.good, self.status = good, status

    def __bool__(self):
        self.good -= 1
        return self.good < 0

    def pop(self, _=-1):
        return self.status


def test_a_store_that_refuses_half_way_is_no_fault_of_the_content(clips, server):
    noise = clips.make(
        "noise-half-way.mkv",
        *("-f", "lavfi", "-i", "nullsrc=size=640x480:rate=25:duration=1,geq=random(1)*255:128:128"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-crf", "1", "-pix_fmt", "yuv420p"),
    )
    listing = served(server, noise)
    requests = look(listing).requests
    for good in range(requests):
        server.files[noise.name].troubles = After(good, 403)
        found = look(listing)
        assert (found.content_id, found.probe.status) == (None, ProbeStatus.UNREADABLE)
