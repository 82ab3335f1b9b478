from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from catalog.values import AnalysisType
from tasks.sandbox.vision.describe import Describer, describe
from tasks.sandbox.vision.signals import NotDescribable


@pytest.mark.parametrize("task", AnalysisType)
def test_a_describer_says_what_describing_alone_says(clips, task):
    path = str(clips["plain.mp4"])

    assert Describer().describe("a", path, task, "the sound") == describe(path, task, "the sound")


def test_a_video_that_was_measured_is_not_opened_again(clips, tmp_path):
    path = tmp_path / "clip.mp4"
    shutil.copy(clips["plain.mp4"], path)
    describer = Describer()
    describer.measure("a", str(path))
    path.unlink()

    assert describer.describe("a", str(path), AnalysisType.SUMMARY, None)
    with pytest.raises(NotDescribable):
        describer.measure("b", str(path))


def test_all_who_ask_at_once_get_one_measurement(clips):
    path = str(clips["plain.mp4"])
    describer = Describer()
    together = threading.Barrier(8)

    def ask(_: int) -> object:
        together.wait()
        return describer.measure("a", path)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(8)))

    assert all(answer is answers[0] for answer in answers)


def test_a_measurement_that_failed_is_tried_again(clips, tmp_path):
    path = tmp_path / "clip.mp4"
    describer = Describer()
    with pytest.raises(NotDescribable):
        describer.measure("a", str(path))
    shutil.copy(clips["plain.mp4"], path)

    assert describer.measure("a", str(path)).shots


def test_only_the_last_few_are_remembered(clips):
    describer = Describer(remembered=2)
    path = str(clips["one-frame.mp4"])
    first, second = describer.measure("a", path), describer.measure("b", path)
    assert describer.measure("a", path) is first

    describer.measure("c", path)

    assert describer.measure("a", path) is first
    assert describer.measure("b", path) is not second
