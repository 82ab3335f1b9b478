"""Any bytes can be walked: damaged structures end the walk, they never raise or loop."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.media import containers
from tasks.media.containers import Family


def box(name: bytes, content: bytes = b"", *, size: int | None = None) -> bytes:
    return struct.pack(">I4s", size if size is not None else 8 + len(content), name) + content


def walk(data: bytes):
    return containers.read_mp4(io.BytesIO(data), len(data), most_pieces=100)


def movie(*, entry: bytes = b"avc1", matrix=(1, 0, 0, 1)) -> bytes:
    a, b, c, d = (value << 16 if value >= 0 else (1 << 32) + (value << 16) for value in matrix)
    turned = struct.pack(">9I", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    header = box(b"tkhd", bytes(40) + turned + bytes(8))
    handler = box(b"hdlr", bytes(8) + b"vide" + bytes(13))
    entries = box(b"stsd", bytes(7) + b"\x01" + box(entry, bytes(78)))
    media = box(b"mdia", handler + box(b"minf", box(b"stbl", entries)))
    return box(b"moov", box(b"mvhd", bytes(100)) + box(b"trak", header + media))


START = box(b"ftyp", b"isom\x00\x00\x00\x00")


def test_a_whole_movie_promises_what_it_has():
    data = START + movie() + box(b"mdat", bytes(100))
    found = walk(data)
    assert (found.family, found.promised_bytes, found.index_whole) == (Family.MP4, len(data), True)


def test_a_cut_movie_promises_more():
    data = START + movie() + box(b"mdat", bytes(10), size=5000)
    assert walk(data).promised_bytes == len(data) - 18 + 5000


def test_a_large_size_is_read():
    mdat = struct.pack(">I4sQ", 1, b"mdat", 16 + 2**40)
    assert walk(START + movie() + mdat).promised_bytes == len(START + movie()) + 16 + 2**40


def test_a_box_to_the_end_promises_nothing_more():
    data = START + movie() + box(b"mdat", bytes(100), size=0)
    assert walk(data).promised_bytes == len(data)


def test_rubbish_behind_the_end_promises_nothing():
    data = START + movie()
    assert walk(data + b"\xff\xff\xff\xffrubbish!").promised_bytes == len(data)


@pytest.mark.parametrize(
    ("matrix", "degrees"),
    [((1, 0, 0, 1), 0), ((0, 1, -1, 0), 90), ((-1, 0, 0, -1), 180), ((0, -1, 1, 0), 270)],
)
def test_a_tracks_matrix_says_how_it_is_turned(matrix, degrees):
    assert walk(START + movie(matrix=matrix)).rotation == degrees


def test_an_encrypted_entry_is_seen():
    assert walk(START + movie(entry=b"encv")).encrypted
    assert not walk(START + movie()).encrypted


def test_no_more_pieces_are_looked_at_than_allowed():
    data = START + box(b"free") * 50 + movie()
    assert containers.read_mp4(io.BytesIO(data), len(data), most_pieces=10).index_whole is None


def test_an_opendml_avi_promises_all_of_its_chunks():
    data = b"RIFF" + struct.pack("<I", 96) + bytes(96) + b"RIFF" + struct.pack("<I", 900) + bytes(9)
    assert (
        containers.read_avi(io.BytesIO(data), len(data), most_pieces=9).promised_bytes == 104 + 908
    )


def test_an_avi_that_was_never_finished_promises_nothing():
    data = b"RIFF" + bytes(4) + b"AVI " + bytes(50)
    assert containers.read_avi(io.BytesIO(data), len(data), most_pieces=9).promised_bytes is None


def test_a_cameras_own_boxes_are_walked_over():
    data = START + box(b"CNDA", bytes(40)) + movie() + box(b"mdat", bytes(9))
    found = walk(data)
    assert (found.index_whole, found.promised_bytes) == (True, len(data))


def test_a_cameras_own_box_that_is_cut_promises_nothing():
    data = START + movie()
    assert walk(data + box(b"CNDA", bytes(9), size=5000)).promised_bytes == len(data)


def test_a_movie_without_an_index_is_seen():
    assert walk(START + box(b"mdat", bytes(100))).index_whole is False


@given(st.binary(max_size=200), st.integers(0, 150), st.binary(min_size=1, max_size=30))
def test_any_damage_can_be_walked(tail, at, patch):
    data = bytearray(START + movie(entry=b"encv") + tail)
    data[at : at + len(patch)] = patch
    for read in (containers.read_mp4, containers.read_avi):
        read(io.BytesIO(data), len(data), most_pieces=100)
    containers.read_matroska(io.BytesIO(containers.MAGIC + bytes(data)), len(data) + 4)


@given(st.binary(max_size=300))
def test_any_matroska_damage_can_be_walked(tail):
    data = containers.MAGIC + b"\x80\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff" + tail
    containers.read_matroska(io.BytesIO(data), len(data))
