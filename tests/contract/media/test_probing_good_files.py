"""Every engine measures sound files alike."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from catalog.values import DurationSource, ProbeStatus
from tasks.media.tags import Whereabouts

HEADER, TAIL, SCAN = DurationSource.HEADER, DurationSource.TAIL, DurationSource.SCAN


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("plain.mp4", ("mp4", "h264", "aac", {HEADER})),
        ("index-at-end.mp4", ("mp4", "h264", "aac", {HEADER})),
        ("fragmented.mp4", ("mp4", "h264", "aac", {HEADER, SCAN})),  # ffprobe 5 misreads fragments
        ("plain.mov", ("mov", "h264", "aac", {HEADER})),
        ("plain.mkv", ("matroska", "h264", "aac", {HEADER})),
        ("plain.webm", ("webm", "vp8", "vorbis", {HEADER})),
        ("plain.avi", ("avi", "mpeg4", "mp3", {HEADER})),
        ("plain.ts", ("mpegts", "h264", "aac", {TAIL, SCAN})),
        ("plain.mpg", ("mpeg", "mpeg2video", "mp2", {TAIL, SCAN})),
        ("plain.flv", ("flv", "h264", "aac", {TAIL, SCAN})),
        ("plain.ogv", ("ogg", "theora", "vorbis", {TAIL, SCAN})),
        ("plain.wmv", ("asf", "wmv2", "wmav2", {TAIL, SCAN})),
    ],
)
def test_every_common_container_is_measured(look, clips, name, expected):
    container, video, audio, sources = expected
    probe = look(clips[name]).probe
    assert (probe.status, probe.error) == (ProbeStatus.OK, None)
    assert container in probe.container
    assert (probe.video_codec, probe.audio_codec, probe.has_audio) == (video, audio, True)
    assert (probe.width, probe.height, probe.rotation) == (160, 120, 0)
    assert probe.fps == pytest.approx(
        Decimal(25 if name == "plain.mpg" else 10), abs=Decimal("0.1")
    )
    assert probe.duration_seconds == pytest.approx(3, abs=Decimal("0.15"))
    assert probe.duration_source in sources


def test_a_recording_without_a_duration_is_measured_at_its_end(look, clips):
    probe = look(clips["live.mkv"]).probe
    assert probe.status is ProbeStatus.OK
    assert probe.duration_seconds == pytest.approx(3, abs=Decimal("0.15"))
    assert probe.duration_source in {TAIL, SCAN}


def test_a_file_without_sound_says_so(look, clips):
    probe = look(clips["silent.mp4"]).probe
    assert (probe.status, probe.has_audio, probe.audio_codec) == (ProbeStatus.OK, False, None)


def test_sound_that_outlasts_the_picture_counts(look, clips):
    assert look(clips["long-sound.mp4"]).probe.duration_seconds >= 3


def test_a_single_frame_is_a_video(look, clips):
    probe = look(clips["one-frame.mp4"]).probe
    assert probe.status is ProbeStatus.OK
    assert probe.duration_seconds == Decimal("0.1")


@pytest.mark.parametrize("name", ["turned.mp4", "turned.mkv"])
def test_a_turned_picture_is_measured_as_it_is_shown(look, clips, name):
    probe = look(clips[name]).probe
    assert (probe.rotation, probe.width, probe.height) == (90, 120, 160)


def test_labels_are_kept_without_where_it_was_filmed(look, clips):
    probe = look(clips["tagged.mp4"]).probe
    assert probe.tags == {"title": "Harbour at noon", "make": "Acme"}
    assert probe.recorded_at == datetime(2019, 7, 24, 8, 25, 40, tzinfo=UTC)


def test_where_it_was_filmed_is_kept_on_request(look, clips):
    tags = look(clips["tagged.mp4"], Whereabouts.KEEP).probe.tags
    assert "+53.5461+009.9661/" in tags.values()


def test_a_clock_that_was_never_set_tells_nothing(look, clips):
    assert look(clips["epoch.mp4"]).probe.recorded_at is None


def test_the_engine_that_spoke_is_named_with_its_version(look, clips, engine):
    name = look(clips["plain.mp4"]).probe.engine
    assert name == engine.name
    assert any(character.isdigit() for character in name)


@pytest.mark.parametrize(
    "name",
    [
        *(b"-leading-dash.mp4", b"--show_streams.mp4", b"a:b.mp4", b"http:x.mp4", b"new\nline.mp4"),
        *(b"%d %03d 100%.mp4", b"#hash?query=1.mp4", b"quote'\"`$(x).mp4", b"back\\slash.mp4"),
        *("übung-日本語-😀.mp4".encode(), b"not-utf8-\xff\xfe.mp4", b"no-extension"),
    ],
)
def test_any_name_a_disk_allows_is_probed(look, clips, tmp_path, name):
    path = tmp_path / name.decode("utf-8", "surrogateescape")
    path.write_bytes(clips["plain.mp4"].read_bytes())
    assert look(path).probe.status is ProbeStatus.OK
