"""Whatever lies behind a URI, reading it is the same."""

import io
import os
import pickle
import random
from datetime import timedelta

import pytest
from storage_servers import FolderPlace, WebPlace

from tasks.storage.block_cache import BLOCK_BYTES
from tasks.storage.errors import FileChanged, FileVanished

DATA = random.Random(7).randbytes(12 * BLOCK_BYTES + 4321)


@pytest.fixture(params=["folder", "bucket", "web"])
def place(request, tmp_path):
    match request.param:
        case "folder":
            return FolderPlace(tmp_path)
        case "bucket":
            return request.getfixturevalue("bucket")
        case _:
            return WebPlace(request.getfixturevalue("web_server"))


def open_at(place, uri):
    reader = place.stores.reader(uri)
    found = reader.look(uri)
    return reader.open(uri, size=found.size, etag=found.etag, version=found.version)


def test_a_look_says_size_and_time_and_an_absence_is_none(place):
    uri = place.put("a.mp4", DATA)
    reader = place.stores.reader(uri)
    found = reader.look(uri)
    assert (found.uri, found.name, found.size) == (uri, "a.mp4", len(DATA))
    assert found.mtime_ns > 1_600_000_000_000_000_000
    assert (found.etag is not None) is place.has_etags
    place.remove(uri)
    assert reader.look(uri) is None


def test_a_whole_file_reads_as_it_was_written(place):
    with open_at(place, place.put("a.mp4", DATA)) as file:
        assert file.read() == DATA
        assert file.read() == b""
        assert file.tell() == len(DATA)
        assert file.bytes_read == len(DATA)
        assert (file.requests > 0) is place.counts_requests


def test_an_empty_file_reads_as_nothing(place):
    with open_at(place, place.put("a.mp4", b"")) as file:
        assert file.read(10) == b""
        assert (file.bytes_read, file.requests) == (0, 0)


@pytest.mark.parametrize(
    ("offset", "whence", "expected"),
    [
        (0, os.SEEK_SET, 0),
        (BLOCK_BYTES - 1, os.SEEK_SET, BLOCK_BYTES - 1),
        (-5, os.SEEK_END, len(DATA) - 5),
        (7, os.SEEK_CUR, 17),
        (len(DATA) + 9, os.SEEK_SET, len(DATA) + 9),
    ],
)
def test_seeking_goes_where_an_ordinary_file_goes(place, offset, whence, expected):
    ordinary = io.BytesIO(DATA)
    with open_at(place, place.put("a.mp4", DATA)) as file:
        for each in (file, ordinary):
            each.seek(10)
            assert each.seek(offset, whence) == expected
            assert each.tell() == expected
        assert file.read(20) == ordinary.read(20)


def test_scattered_reads_give_the_same_bytes_as_an_ordinary_file(place):
    choose = random.Random(11)
    with open_at(place, place.put("a.mp4", DATA)) as file:
        for _ in range(60):
            start = choose.randrange(len(DATA))
            length = choose.choice([1, 100, 65_536, BLOCK_BYTES + 1])
            file.seek(start)
            assert file.read(length) == DATA[start : start + length]


def test_the_file_object_refuses_what_makes_no_sense(place):
    file = open_at(place, place.put("a.mp4", DATA))
    with pytest.raises(ValueError, match="negative"):
        file.seek(-1)
    assert (file.readable(), file.seekable(), file.writable()) == (True, True, False)
    file.close()
    with pytest.raises(ValueError, match="closed"):
        file.read(1)


def test_a_file_that_went_away_says_so(place):
    uri = place.put("a.mp4", DATA)
    reader = place.stores.reader(uri)
    found = reader.look(uri)
    place.remove(uri)
    with (
        pytest.raises(FileVanished),
        reader.open(uri, size=found.size, etag=found.etag) as file,
    ):
        file.read(1)


def test_a_file_of_another_size_is_not_the_listed_one(place):
    uri = place.put("a.mp4", DATA)
    reader = place.stores.reader(uri)
    found = reader.look(uri)
    place.put("a.mp4", DATA + b"more")
    with pytest.raises(FileChanged), reader.open(uri, size=found.size, etag=found.etag) as file:
        file.read(1)


def test_other_bytes_of_the_same_size_are_noticed_where_the_store_can_tell(place):
    uri = place.put("a.mp4", DATA)
    reader = place.stores.reader(uri)
    found = reader.look(uri)
    place.put("a.mp4", DATA[::-1])
    file = reader.open(uri, size=found.size, etag=found.etag)
    if place.has_etags:
        with pytest.raises(FileChanged):
            file.read(1)
    else:
        assert file.read(1) == DATA[-1:]
    file.close()


def test_a_file_opens_by_its_size_alone(place):
    uri = place.put("a.mp4", DATA)
    with place.stores.reader(uri).open(uri, size=len(DATA)) as file:
        assert file.read(3) == DATA[:3]


def test_the_provider_gets_an_address_exactly_where_there_is_no_local_path(place):
    uri = place.put("a.mp4", DATA)
    reader = place.stores.reader(uri)
    path = reader.local_path(uri)
    address = reader.provider_url(uri, version=None, token="t0k3n", expires_in=timedelta(hours=1))
    assert (path is None) is (address is not None)
    if path is not None:
        assert path.read_bytes() == DATA
    else:
        assert "reelcat=t0k3n" in address


def test_stores_travel_to_another_process_as_their_options(place):
    uri = place.put("a.mp4", DATA)
    travelled = pickle.loads(pickle.dumps(place.stores))
    assert travelled.options == place.stores.options
    assert travelled.look(uri) == place.stores.look(uri)
