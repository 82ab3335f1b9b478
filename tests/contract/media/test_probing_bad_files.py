"""Every engine gives one honest status and one plain sentence for what is no whole video."""

from __future__ import annotations

import random
import re
from decimal import Decimal

import pytest

from catalog.values import DurationSource, ProbeStatus

UNREADABLE, NO_VIDEO = ProbeStatus.UNREADABLE, ProbeStatus.NO_VIDEO


def require_one_plain_sentence(probe):
    """One sentence for people: no path, no address in memory, no line of FFmpeg's log."""
    assert re.fullmatch(r"[A-Z][^\n/@]*\.", probe.error), probe.error


@pytest.mark.parametrize(
    ("content", "status", "says"),
    [
        (b"", UNREADABLE, "empty"),
        (b"Dear diary,\n" * 100, UNREADABLE, "text"),
        ("Grüße, 日本\n".encode() * 1000, UNREADABLE, "text"),
        (b"<!DOCTYPE html><h1>404</h1>", UNREADABLE, "web page"),
        (b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>', UNREADABLE, "web page"),
        (random.Random(7).randbytes(65536), UNREADABLE, "recognised"),
        (bytes(65536), UNREADABLE, "zero"),
        (b"PK\x03\x04" + bytes(500), UNREADABLE, "ZIP"),
        (b"%PDF-1.7\n", UNREADABLE, "PDF"),
        (b"\x00\x05\x16\x07" + bytes(100), UNREADABLE, "macOS"),
        (b"\x00\x00\x00\x20ftypisom" + bytes(20), UNREADABLE, "index"),
        (b"\x1a\x45\xdf\xa3" + bytes(500), UNREADABLE, "damaged"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(28), NO_VIDEO, "sound"),
        (b"ID3\x04" + bytes(500), NO_VIDEO, "sound"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), NO_VIDEO, "picture"),
        (b"\x00\x00\x00\x1cftypheic" + bytes(500), NO_VIDEO, "still picture"),
    ],
    # Not the content: pytest tells every child the id, and no variable may be that long.
    ids=lambda value: "" if isinstance(value, bytes) else None,
)
def test_what_is_no_video_is_called_what_it_is(look, tmp_path, content, status, says):
    path = tmp_path / "holiday.mp4"
    path.write_bytes(content)
    found = look(path)
    assert (found.probe.status, found.probe.duration_seconds) == (status, None)
    assert says in found.probe.error
    assert found.content_id.startswith("v1-")
    require_one_plain_sentence(found.probe)


@pytest.mark.parametrize(
    ("name", "says"), [("sound.mp4", "no picture"), ("cover.mp4", "cover"), ("picture.jpg", "JPEG")]
)
def test_what_does_not_move_is_no_video(look, clips, name, says):
    probe = look(clips[name]).probe
    assert probe.status is NO_VIDEO
    assert says in probe.error
    require_one_plain_sentence(probe)


def test_an_encrypted_video_is_called_encrypted(look, clips):
    probe = look(clips["encrypted.mp4"]).probe
    assert probe.status is ProbeStatus.ENCRYPTED
    require_one_plain_sentence(probe)


def test_a_picture_too_large_to_decode_is_refused_with_its_size(look, clips):
    probe = look(clips["huge.mp4"]).probe
    assert probe.status is ProbeStatus.TOO_LARGE
    assert "8192 x 8192" in probe.error
    require_one_plain_sentence(probe)


def half_of(path, tmp_path):
    data = path.read_bytes()
    half = tmp_path / f"half-{path.name}"
    half.write_bytes(data[: len(data) // 2])
    return half, len(data)


@pytest.mark.parametrize("name", ["plain.mp4", "plain.mkv", "plain.webm", "plain.avi"])
def test_half_a_file_says_what_was_promised_and_what_is_held(look, clips, tmp_path, name):
    path, whole = half_of(clips[name], tmp_path)
    probe = look(path).probe
    assert probe.status is ProbeStatus.TRUNCATED
    assert f"{whole:,} bytes" in probe.error
    assert f"{path.stat().st_size:,} bytes" in probe.error
    assert 0 < probe.duration_seconds < Decimal("2.6")
    assert probe.duration_source is DurationSource.SCAN
    require_one_plain_sentence(probe)


@pytest.mark.parametrize("name", ["plain.mp4", "plain.mkv", "plain.avi"])
def test_a_file_that_lacks_only_padding_at_its_end_is_whole(look, clips, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(clips[name].read_bytes()[:-4])
    probe = look(path).probe
    assert (probe.status, probe.error) == (ProbeStatus.OK, None)
    assert probe.duration_seconds == pytest.approx(3, abs=Decimal("0.15"))


def test_half_a_file_without_sizes_is_told_by_its_last_seconds(look, clips, tmp_path):
    path, _ = half_of(clips["plain.flv"], tmp_path)
    probe = look(path).probe
    assert probe.status is ProbeStatus.TRUNCATED
    assert "3.0 seconds" in probe.error
    assert 1 < probe.duration_seconds < 2


def test_half_a_file_with_its_index_at_the_end_cannot_be_read(look, clips, tmp_path):
    path, _ = half_of(clips["index-at-end.mp4"], tmp_path)
    probe = look(path).probe
    assert probe.status is UNREADABLE
    assert "index" in probe.error
    require_one_plain_sentence(probe)


def test_a_broken_off_fragmented_recording_counts_as_long_as_it_is(look, clips, tmp_path):
    path, _ = half_of(clips["fragmented.mp4"], tmp_path)
    probe = look(path).probe
    assert probe.status is ProbeStatus.OK
    assert 0 < probe.duration_seconds < Decimal("2.6")


def test_an_index_that_ends_early_cannot_be_read(look, clips, tmp_path):
    path = tmp_path / "stub.mp4"
    path.write_bytes(clips["plain.mp4"].read_bytes()[:200])
    probe = look(path).probe
    assert probe.status is UNREADABLE
    assert "200 of at least" in probe.error


def test_an_absurd_duration_is_not_believed(look, clips, tmp_path):
    data = bytearray(clips["silent.mp4"].read_bytes())
    for box, offset in ((b"mvhd", 16), (b"tkhd", 20), (b"mdhd", 16)):
        at = data.index(box) + 4 + offset
        data[at : at + 4] = (2_000_000_000).to_bytes(4, "big")
    path = tmp_path / "absurd.mp4"
    path.write_bytes(data)
    probe = look(path).probe
    assert probe.duration_seconds is None or probe.duration_seconds < 4


def test_mutated_files_never_raise_and_never_lie_by_a_day(look, clips, tmp_path):
    chance = random.Random(20261123)
    path = tmp_path / "mutated"
    for name in ("plain.mp4", "plain.mkv", "plain.ts", "plain.avi", "plain.flv"):
        original = clips[name].read_bytes()
        for _ in range(6):
            data = bytearray(original)
            for _ in range(chance.randint(1, 60)):
                data[chance.randrange(min(len(data), 8192))] = chance.randrange(256)
            path.write_bytes(data)
            probe = look(path).probe
            assert probe.duration_seconds is None or 0 < probe.duration_seconds < 86_400
            if probe.status is not ProbeStatus.OK:
                require_one_plain_sentence(probe)
