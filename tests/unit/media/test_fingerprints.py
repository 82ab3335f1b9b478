from __future__ import annotations

import hashlib
import io
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.media.fingerprint import SAMPLE_BYTES, FileShrank, content_id, sample_offsets

MIB = 1024 * 1024


class Recording(io.BytesIO):
    """A file that remembers how much of it was read."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        part = super().read(size)
        self.taken += len(part)
        return part


class Trickling(io.BytesIO):
    """A file that gives a little at a time."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size or 0, 1000))


def identity(data: bytes) -> str:
    return content_id(io.BytesIO(data), len(data))


def test_an_identity_is_a_versioned_hash_of_size_and_bytes():
    digest = hashlib.sha256((5).to_bytes(8, "big") + b"hello").hexdigest()
    assert identity(b"hello") == f"v1-{digest[:40]}"


def test_an_empty_file_has_an_identity():
    assert identity(b"").startswith("v1-")


def test_a_file_of_a_mebibyte_or_more_costs_four_samples():
    for size in (MIB, MIB + 1, 10 * MIB):
        file = Recording(bytes(size))
        content_id(file, size)
        assert file.taken == 4 * SAMPLE_BYTES


def test_a_change_in_any_sample_changes_the_identity():
    data = bytearray(5 * MIB)
    before = identity(bytes(data))
    for offset in (0, *(o + SAMPLE_BYTES - 1 for o in sample_offsets(len(data)))):
        changed = bytearray(data)
        changed[offset] = 1
        assert identity(bytes(changed)) != before


def test_the_same_samples_of_another_size_are_another_file():
    assert identity(bytes(2 * MIB)) != identity(bytes(3 * MIB))


def test_a_file_that_gives_little_at_a_time_has_the_same_identity():
    data = bytes(range(256)) * 5000
    assert content_id(Trickling(data), len(data)) == identity(data)


def test_a_file_that_shrank_has_no_identity():
    with pytest.raises(FileShrank):
        content_id(io.BytesIO(bytes(10)), 11)


@given(st.integers(min_value=4 * SAMPLE_BYTES, max_value=2**50))
def test_samples_lie_in_order_and_within_the_file(size):
    offsets = sample_offsets(size)
    assert offsets[0] == 0
    assert offsets[-1] + SAMPLE_BYTES == size
    assert all(a < b for a, b in itertools.pairwise(offsets))
