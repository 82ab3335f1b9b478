"""What is measured of clips whose content is known because FFmpeg was told to draw it."""

from __future__ import annotations

import struct

import pytest

from tasks.sandbox.vision.measure import measure
from tasks.sandbox.vision.signals import Bars, NotDescribable, PictureRegion, Reading

H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


def drawn(graph: str, *more: str) -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", graph, *more, *H264)


@pytest.fixture
def three_shots(clips):
    shots = ";".join(
        f"color={colour}:size=160x90:rate=10:duration=2[{label}]"
        for colour, label in (("red", "a"), ("black", "b"), ("0x20a030", "c"))
    )
    return clips.make("three-shots.mp4", *drawn(f"{shots};[a][b][c]concat=n=3"))


def test_shots_begin_and_end_at_the_cuts(three_shots):
    signals = measure(str(three_shots))

    assert [(s.span.start_seconds, s.span.end_seconds) for s in signals.shots] == [
        (0.0, pytest.approx(2.0)),
        (pytest.approx(2.0), pytest.approx(4.0)),
        (pytest.approx(4.0), pytest.approx(6.0)),
    ]


def test_each_shot_has_its_own_colour_and_light(three_shots):
    red, black, green = measure(str(three_shots)).shots

    assert [shot.colours[0].name for shot in (red, black, green)] == ["red", "black", "green"]
    assert black.brightness == 0.0
    assert green.saturation > 20


def test_black_is_a_span(three_shots):
    (black,) = measure(str(three_shots)).black

    assert (black.start_seconds, black.end_seconds) == (2.0, 4.0)


def test_a_film_in_grey_has_no_saturation_and_keeps_its_bars(clips):
    picture = "testsrc2=size=120x90:rate=10:duration=2,format=gray,pad=160:90:20:0"
    signals = measure(str(clips.make("grey-film.mp4", *drawn(picture))))

    assert signals.shots[0].saturation < 0.6
    assert signals.bars is Bars.PILLARBOX


def test_a_still_with_a_silent_track_is_frozen_and_silent(clips):
    silence = ("-f", "lavfi", "-i", "anullsrc=sample_rate=48000:duration=4")
    picture = "smptebars=size=160x90:rate=10:duration=4"
    signals = measure(str(clips.make("frozen-silent.mp4", *drawn(picture, *silence))))

    (frozen,) = signals.frozen
    assert (frozen.start_seconds, frozen.end_seconds) == (0.0, 4.0)
    assert signals.activity == ()
    assert signals.sound is not None
    (silent,) = signals.sound.silences
    assert silent.seconds == pytest.approx(4.0, abs=0.1)


def test_a_fixed_camera_shows_when_and_where_something_moves(clips):
    graph = (
        "color=0x808080:size=320x180:rate=10:duration=12[street];"
        "color=red:size=40x24:rate=10:duration=12[car];"
        "[street][car]overlay=x='120*(t-4)-40':y=150"
    )
    signals = measure(str(clips.make("street.mp4", *drawn(graph))))

    (movement,) = signals.activity
    assert movement.start_seconds == pytest.approx(4.0, abs=0.6)
    assert movement.end_seconds == pytest.approx(7.0, abs=0.6)
    assert signals.shots[0].movement_place in (
        PictureRegion.LOWER,
        PictureRegion.LOWER_LEFT,
        PictureRegion.LOWER_RIGHT,
    )
    assert len(signals.shots) == 1


def test_sound_has_a_loudness_silences_and_a_loudest_moment(clips):
    sound = (
        "aevalsrc='sin(2*PI*440*t)*(0.05*lt(t,2)+0.5*gte(t,4))':s=48000:d=6,"
        "aformat=channel_layouts=mono"
    )
    picture = "color=gray:size=64x64:rate=10:duration=6"
    clip = clips.make("pause.mp4", *drawn(picture, "-f", "lavfi", "-i", sound))
    heard = measure(str(clip)).sound

    assert heard is not None
    assert heard.channels == 1
    (silence,) = heard.silences
    assert silence.start_seconds == pytest.approx(2.0, abs=0.1)
    assert silence.end_seconds == pytest.approx(4.0, abs=0.1)
    assert heard.loudest_at_seconds is not None
    assert heard.loudest_at_seconds > 3.9
    assert heard.loudness_lufs is not None
    assert -14 < heard.loudness_lufs < -4


def test_a_video_without_a_sound_track_has_no_sound(clips):
    assert measure(str(clips["silent.mp4"])).sound is None


def test_the_picture_may_end_before_the_sound(clips):
    signals = measure(str(clips["long-sound.mp4"]))

    assert signals.window_seconds == pytest.approx(1.0)
    assert signals.duration_seconds == pytest.approx(3.0, abs=0.1)
    assert signals.damage is None


def test_a_turned_video_is_measured_as_it_is_shown(clips):
    turned = clips["turned.mp4"]
    signals = measure(str(turned))

    assert (signals.width, signals.height) == (120, 160)
    assert signals.rotation in (90, 270)


@pytest.mark.parametrize(
    ("turn", "place"),
    [("-90", PictureRegion.RIGHT), ("90", PictureRegion.LEFT), ("180", PictureRegion.LOWER)],
)
def test_places_are_those_of_the_picture_as_shown(clips, turn, place):
    graph = (
        "color=0x808080:size=240x240:rate=10:duration=3[wall];"
        "testsrc2=size=240x40:rate=10:duration=3[strip];[wall][strip]overlay=0:0"
    )
    moving_top = clips.make("moving-top.mp4", *drawn(graph))
    shown = clips.make(
        f"moving-top{turn}.mp4", "-display_rotation", turn, "-i", str(moving_top), "-c", "copy"
    )

    (shot,) = measure(str(shown)).shots

    assert shot.movement_place is not None
    assert place.value.split()[1] in shot.movement_place.value


def test_words_in_the_container_are_read_and_its_place_is_not(clips):
    signals = measure(str(clips["tagged.mp4"]))

    assert signals.texts.title == "Harbour at noon"
    assert signals.texts.recorded_on == "2019-07-24"
    assert signals.texts.device == "Acme"
    assert "53.5" not in repr(signals)


def test_chapters_and_subtitles_are_read(clips, tmp_path):
    subtitles = tmp_path / "lines.srt"
    subtitles.write_text(
        "1\n00:00:00,500 --> 00:00:01,500\n<i>Gr\N{LATIN SMALL LETTER U WITH DIAERESIS}ezi</i>\n",
        "utf-8",
    )
    chapters = tmp_path / "chapters.txt"
    chapters.write_text(
        ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=1\ntitle=One\n"
        "[CHAPTER]\nTIMEBASE=1/1\nSTART=1\nEND=3\ntitle=Two\n",
        "utf-8",
    )
    inputs = ("-i", str(clips["plain.mp4"]), "-i", str(subtitles), "-i", str(chapters))
    clip = clips.make(
        "words.mkv", *inputs, "-map", "0", "-map", "1", "-map_chapters", "2", "-c:v", "copy"
    )

    texts = measure(str(clip)).texts

    assert [(c.start_seconds, c.title) for c in texts.chapters] == [(0.0, "One"), (1.0, "Two")]
    assert [line.start_seconds for line in texts.subtitle_lines] == [0.5]
    assert texts.subtitle_lines[0].text == "Gr\N{LATIN SMALL LETTER U WITH DIAERESIS}ezi"


@pytest.mark.parametrize(
    "name",
    [
        *("plain.mp4", "plain.mov", "plain.mkv", "plain.ts", "plain.flv", "plain.webm"),
        *("plain.ogv", "plain.avi", "plain.mpg", "plain.wmv", "fragmented.mp4", "live.mkv"),
    ],
)
def test_every_container_gives_the_same_picture(clips, name):
    signals = measure(str(clips[name]))

    assert signals.duration_seconds == pytest.approx(3.0, abs=0.25)
    assert signals.read_to_end
    assert signals.damage is None
    assert len(signals.shots) == 1
    assert signals.shots[0].saturation > 30
    assert signals.sound is not None
    assert signals.sound.loudness_lufs == pytest.approx(-21, abs=3)


def test_the_same_bytes_give_the_same_signals(clips):
    path = str(clips["plain.mp4"])

    assert measure(path) == measure(path)


def test_a_single_picture_is_measured(clips):
    signals = measure(str(clips["one-frame.mp4"]))

    assert len(signals.shots) == 1
    assert signals.shots[0].movement is None


def test_nothing_beyond_the_window_is_looked_at(three_shots):
    signals = measure(str(three_shots), window_seconds=3.0)

    assert signals.window_seconds == pytest.approx(3.0)
    assert signals.duration_seconds == pytest.approx(6.0)
    assert not signals.read_to_end
    assert len(signals.shots) == 2
    assert signals.shots[-1].span.end_seconds == pytest.approx(3.0)


def test_two_minutes_are_looked_at_of_a_longer_video(clips):
    picture = "color=gray:size=64x64:rate=2:duration=130"
    signals = measure(str(clips.make("long.mp4", *drawn(picture))))

    assert signals.window_seconds == 120.0
    assert signals.duration_seconds == pytest.approx(130.0)


def test_a_video_that_would_take_long_is_read_by_keyframes(clips, tmp_path):
    graph = "testsrc2=size=1280x720:rate=15:duration=2"
    whole = clips.make("large.mkv", *drawn(graph, "-g", "15")).read_bytes()
    # An honest header would need a long video; this one only claims to last an hour.
    at = whole.index(b"\x44\x89\x88") + 3
    claims = tmp_path / "claims-an-hour.mkv"
    claims.write_bytes(whole[:at] + struct.pack(">d", 3_600_000.0) + whole[at + 8 :])

    signals = measure(str(claims))

    assert signals.reading is Reading.KEYFRAMES
    assert signals.window_seconds == pytest.approx(2.0, abs=0.1)
    assert signals.shots[0].colours


def test_a_file_that_was_cut_short_gives_what_is_there(clips, tmp_path):
    whole = clips["plain.mp4"].read_bytes()
    short = tmp_path / "short.mp4"
    short.write_bytes(whole[: len(whole) // 2])

    signals = measure(str(short))

    assert signals.damage is not None
    assert signals.damage.missing_seconds is not None
    assert signals.window_seconds < 2.5
    assert signals.shots


def test_scrambled_bytes_are_passed_over(clips, tmp_path):
    scrambled = bytearray(clips["plain.ts"].read_bytes())
    scrambled[len(scrambled) // 3 :: 997] = b"\xff" * len(scrambled[len(scrambled) // 3 :: 997])
    path = tmp_path / "scrambled.ts"
    path.write_bytes(scrambled)

    assert measure(str(path)).shots


@pytest.mark.parametrize("name", ["sound.mp4", "cover.mp4"])
def test_a_file_without_moving_pictures_is_refused_in_a_sentence(clips, name):
    with pytest.raises(NotDescribable, match=r"no moving picture .*\.$"):
        measure(str(clips[name]))


def test_a_picture_too_large_to_decode_is_refused(clips):
    with pytest.raises(NotDescribable, match=r"8192 by 8192 is too large"):
        measure(str(clips["huge.mp4"]))


def test_an_encrypted_picture_is_refused(clips):
    with pytest.raises(NotDescribable, match="is encrypted"):
        measure(str(clips["encrypted.mp4"]))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a video at all\n" * 50,
        b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile other.mp4\n",
    ],
)
def test_what_is_no_video_is_refused_in_a_sentence(tmp_path, content):
    path = tmp_path / "strange.mp4"
    path.write_bytes(content)

    with pytest.raises(NotDescribable, match=r"cannot be opened as a video .*\.$"):
        measure(str(path))


def test_a_file_that_is_not_there_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(NotDescribable, match="cannot be opened"):
        measure(str(tmp_path / "gone.mp4"))


@pytest.mark.parametrize("name", ["-x.mp4", "a:b.mp4", "new\nline.mp4", "100%d.mp4", "b\udcff.mp4"])
def test_odd_names_are_names(clips, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(clips["plain.mp4"].read_bytes())

    assert measure(str(path)).duration_seconds == pytest.approx(3.0, abs=0.1)


def test_a_deadline_that_has_passed_is_said(clips):
    with pytest.raises(NotDescribable, match="in the time allowed"):
        measure(str(clips["plain.mp4"]), deadline=0.0)
