from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.media.sniff import SNIFF_BYTES, sniff


@pytest.mark.parametrize(
    "head",
    [
        b"\x00\x00\x00\x20ftypisom",
        b"\x1a\x45\xdf\xa3\x01\x00",
        b"\x47\x40\x11\x10\x00" + b"\xff" * 183,
        b"RIFF\x00\x00\x00\x00AVI LIST",
        b"FLV\x01\x05\x00\x00\x00\x09",
        b"OggS\x00\x02",
        b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
        b"\x00\x00\x01\xba\x44\x00",
    ],
)
def test_what_may_be_a_video_is_left_to_the_engines(head):
    assert sniff(head) is None


@pytest.mark.parametrize("cut", range(4))
def test_text_cut_within_a_character_is_text(cut):
    text = ("é" * SNIFF_BYTES).encode()[: SNIFF_BYTES - cut]
    assert "text" in sniff(text).sentence


@pytest.mark.parametrize(
    "head", [b"\xef\xbb\xbf#EXTM3U\n", b"\n\n  #extm3u\n", b"FFCONCAT version 1.0"]
)
def test_a_playlist_is_seen_behind_marks_and_blanks(head):
    assert "playlist" in sniff(head).sentence


@given(st.binary(max_size=200))
def test_anything_gets_a_sentence_or_an_engine(head):
    finding = sniff(head)
    assert finding is None or finding.sentence.endswith(".")
