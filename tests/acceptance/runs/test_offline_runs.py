"""Cataloging a folder for nothing: good files, broken ones, and files that move about."""

from __future__ import annotations

import shutil

import pytest

pytestmark = pytest.mark.slow


def test_broken_files_are_named_with_their_reason_for_as_long_as_they_are_there(shell, archive):
    for name in ("harbour.mp4", "reels/parade.mkv", "reels/coral.mov"):
        archive.put(name)
    whole = archive.clips["index-at-end.mp4"].read_bytes()
    broken = {
        "empty.mp4": (b"", "empty"),
        "noise.mp4": (b"no film at all" * 999, "not a video"),
        "reels/cut.mp4": (whole[: len(whole) // 2], "cut short"),
        "playlist.mp4": (b"#EXTM3U\n#EXTINF:9,\nfile:///etc/passwd\n", "playlist"),
        "sound.mp4": (archive.clips["sound.mp4"].read_bytes(), "no picture"),
        "locked.mp4": (archive.clips["encrypted.mp4"].read_bytes(), "encrypted"),
    }
    for name, (content, _) in broken.items():
        archive.put(name, content)

    first = shell("run", "films")
    again = shell("run", "films", "--json")

    assert (first.code, first.err) == (1, "")
    for name, (_, reason) in broken.items():
        [line] = [line for line in first.out.splitlines() if f"/films/{name}: " in line]
        assert reason in line.lower()
    assert again.code == 1
    assert again.report["status"] == "completed_with_failures"
    assert again.report["videos"]["unchanged"] == len(archive.files())
    assert again.report["videos"]["probed"] == again.report["analyses"]["submitted"] == 0
    assert again.report["analyses"]["done_before"] == 6
    named = {trouble["what"].partition("/films/")[2] for trouble in again.report["failures"]}
    assert named == set(broken)

    for name in broken:
        (archive.folder / name).unlink()
    mended = shell("run", "films", "--json")

    assert mended.code == 0
    assert mended.report["status"] == "completed"
    assert mended.report["failures"] == []
    answers = [one["text"] for video in shell.export() for one in video["analyses"]]
    assert len(answers) == 6
    assert all(answers)


def test_what_vanished_is_missing_and_a_source_that_cannot_be_listed_marks_nothing(shell, archive):
    for name in ("harbour.mp4", "parade.mp4"):
        archive.put(name)
    assert shell("run", "films").code == 0
    (archive.folder / "parade.mp4").unlink()
    second = shell("run", "films", "--json")
    assert (second.code, second.report["videos"]["missing"]) == (0, 1)

    shutil.move(archive.folder, shell.folder / "unplugged")
    third = shell("run", "films")

    assert (third.code, third.out) == (2, "")
    assert "no such folder or file" in third.err
    assert [len(video["uris"]) for video in shell.export()] == [1, 0]
