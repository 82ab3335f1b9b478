import pytest

from tasks.storage.source import VIDEO_SUFFIXES, is_candidate, is_skipped_folder


@pytest.mark.parametrize(
    "name",
    [
        "a.mp4",
        "FILM.MTS",
        "x/y/z.MxF",
        "a.b.c.m2ts",
        " .mp4",
        "film.part.mp4",
        "2009 été/Über.mov",
        "new\nline.vob",
        "a//b.mkv",
    ],
)
def test_a_name_with_a_video_suffix_is_a_candidate(name):
    assert is_candidate(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "mp4",
        ".mp4",
        "._film.mp4",
        ".hidden.mp4",
        "film.mp4.part",
        "film.mp4.crdownload",
        "film.mp4.tmp",
        "film.mp4~",
        "photo.jpg",
        "folder.mp4/",
        "film.",
        ".Trashes/a.mp4",
        "a/.git/b.mp4",
        "a/@eaDir/b.mp4/SYNOVIDEO.mp4",
        "#recycle/a.mp4",
        "System Volume Information/a.mp4",
    ],
)
def test_hidden_unfinished_and_other_files_are_not(name):
    assert not is_candidate(name)


def test_suffixes_are_lower_case_with_a_dot():
    assert all(each == each.lower() and each.startswith(".") for each in VIDEO_SUFFIXES)
    assert {".mp4", ".mov", ".mkv", ".mts", ".vob", ".mod", ".ogv"} <= VIDEO_SUFFIXES


def test_an_ordinary_folder_is_entered():
    assert not is_skipped_folder("2009")
