"""Which videos a run takes: lists of sources, globs, an order and a limit."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def films(archive):
    for name in ("a/short.mp4", "a/long-9s.mp4", "b/middle-6s.mov", "b/drafts/cut.mp4"):
        archive.put(name)
    return archive


def described(shell) -> set[str]:
    """The names of the videos that have answers."""
    return {
        video["uris"][0].rpartition("/films/")[2]
        for video in shell.export()
        if any(analysis["text"] for analysis in video["analyses"])
    }


def test_globs_an_order_and_a_limit_choose_what_is_described_first(shell, films):
    def run(*arguments):
        ended = shell("run", "films", "--task", "summary", "--limit", "1", *arguments, "--json")
        assert ended.code == 0
        assert ended.report["analyses"]["completed"] == 1
        return ended.report

    run("--include", "**/*.mp4", "--exclude", "**/drafts/**")
    assert described(shell) == {"a/long-9s.mp4"}  # the newest one that fits

    run("--order", "oldest")
    assert described(shell) == {"a/long-9s.mp4", "a/short.mp4"}

    last = run("--order", "longest")
    assert described(shell) == {"a/long-9s.mp4", "a/short.mp4", "b/middle-6s.mov"}
    assert last["analyses"]["wanted"] == 4


def test_what_is_excluded_stays_so_however_it_was_first_seen(shell, films):
    assert shell("plan", "films/b/drafts").code == 0
    ended = shell("run", "films", "--exclude", "b/**", "--task", "summary", "--json")
    assert ended.report["analyses"]["wanted"] == 2
    assert described(shell) == {"a/long-9s.mp4", "a/short.mp4"}
    ended = shell("run", "films", "--include", "b/drafts/*", "--task", "summary", "--json")
    assert ended.report["analyses"]["completed"] == 1


def test_a_folder_of_a_list_is_a_source_of_its_own(shell, films):
    (shell.folder / "list.txt").write_text("films/b\nfilms/a/short.mp4\n")
    first = shell("run", "@list.txt", "--exclude", "drafts/**", "--json")
    assert (first.code, first.report["analyses"]["wanted"]) == (0, 4)
    (films.folder / "b" / "middle-6s.mov").unlink()
    second = shell("run", "@list.txt", "--json")
    assert (second.code, second.report["videos"]["missing"]) == (0, 1)
    assert second.report["analyses"]["completed"] == 2


def test_a_list_names_folders_and_files_and_what_is_not_there_is_told(shell, films):
    absolute = films.folder / "b" / "middle-6s.mov"
    (shell.folder / "list.txt").write_text(
        f"# three of them\nfilms/a/short.mp4\n{absolute}\nfilms/gone.mp4\nfilms/b/drafts\n"
    )
    ended = shell("run", "@list.txt")

    assert ended.code == 1
    assert "films/gone.mp4: " in ended.out
    assert described(shell) == {"a/short.mp4", "b/middle-6s.mov", "b/drafts/cut.mp4"}
