"""The sample clips are made by whichever ffmpeg there is, and show what they are meant to show."""

from __future__ import annotations

from pathlib import Path

import imageio_ffmpeg
import pytest

from tasks.sandbox.samples import SamplesNotMade, make_samples
from tasks.sandbox.vision.measure import measure
from tasks.sandbox.vision.signals import Bars, NotDescribable


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples")
    make_samples(folder)
    return folder


@pytest.fixture(scope="module")
def signals(folder):
    """Of every sample that can be measured, by name."""
    found = {}
    for path in make_samples(folder):
        if path.name != "three-weathers-unfinished.mp4":
            found[path.name] = measure(str(path))
    return found


def test_all_samples_are_there_and_small(folder):
    paths = make_samples(folder)

    assert len(paths) == len(set(paths)) == 11
    assert sum(path.stat().st_size for path in paths) < 4_000_000


def test_nothing_else_is_left_in_the_folder(folder):
    files = {path for path in folder.rglob("*") if path.is_file()}

    assert files == set(make_samples(folder))
    assert not list(folder.rglob(".*"))


def test_samples_that_are_there_are_kept(folder):
    before = {path: path.stat().st_mtime_ns for path in make_samples(folder)}

    assert {path: path.stat().st_mtime_ns for path in make_samples(folder)} == before


def test_one_sample_is_a_copy_of_another(folder):
    contents = [path.read_bytes() for path in make_samples(folder)]

    assert len(set(contents)) == len(contents) - 1


def test_one_sample_is_broken(folder):
    with pytest.raises(NotDescribable):
        measure(str(folder / "inbox/three-weathers-unfinished.mp4"))


def test_all_others_are_whole_and_titled(signals):
    assert len(signals) == 10
    for name, measured in signals.items():
        assert measured.damage is None, name
        assert measured.texts.title, name
        assert 3 <= (measured.duration_seconds or 0) <= 21, name


def test_each_shows_what_it_is_for(signals):
    assert signals["harbour-reel-3.mp4"].shots[0].saturation < 0.6
    assert signals["harbour-reel-3.mp4"].bars is Bars.PILLARBOX
    assert len(signals["loading-dock.mp4"].activity) == 2
    assert signals["loading-dock.mp4"].sound is None
    assert len(signals["three-weathers.mp4"].shots) == 3
    assert signals["stairwell.mov"].height > signals["stairwell.mov"].width
    assert len(signals["tape-07.webm"].black) == 1
    assert len(signals["lantern-parade.mkv"].texts.chapters) == 3
    assert len(signals["lantern-parade.mkv"].texts.subtitle_lines) == 3
    assert len(signals["test-card.mp4"].frozen) == 1


def test_the_ffmpeg_of_the_wheel_makes_them_too(tmp_path):
    paths = make_samples(tmp_path, ffmpeg_path=imageio_ffmpeg.get_ffmpeg_exe())

    assert all(path.stat().st_size for path in paths)


def test_without_an_ffmpeg_the_error_says_what_to_do(tmp_path):
    with pytest.raises(SamplesNotMade, match="Install"):
        make_samples(tmp_path / "a", ffmpeg_path="/nowhere/ffmpeg")


def test_an_ffmpeg_that_fails_leaves_nothing_behind(tmp_path):
    with pytest.raises(SamplesNotMade, match="could not make"):
        make_samples(tmp_path, ffmpeg_path="/bin/false")

    assert not [path for path in Path(tmp_path).rglob("*") if path.is_file()]
