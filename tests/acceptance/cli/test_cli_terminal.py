"""A person at a terminal: is shown the quote, is asked, and sees how it goes."""

from __future__ import annotations

import errno
import os
import pty
import shutil

import pytest
from command import KEY, PATIENCE_SECONDS, REELCAT, Shell, plain_environment, sandbox_of

pytestmark = pytest.mark.slow


def at_a_terminal(folder, environment, arguments, *, asked, answer):
    """Run it at a terminal of its own, answer its question; gives all it showed, and its code."""
    process, terminal = pty.fork()
    if process == 0:  # pragma: no cover - becomes reelcat
        os.chdir(folder)
        os.execve(REELCAT, [str(REELCAT), *arguments], {**environment, "TERM": "xterm"})
    shown = b""
    with os.fdopen(terminal, "r+b", buffering=0) as screen:
        try:
            while piece := screen.read(65536):
                shown += piece
                if asked and asked in shown:
                    screen.write(answer)
                    asked = b""
        except OSError as error:  # how a terminal says that nobody writes to it any more
            if error.errno != errno.EIO:
                raise
    _, status = os.waitpid(process, 0)
    return shown.decode(), os.waitstatus_to_exitcode(status)


@pytest.fixture
def films(tmp_path, clips):
    folder = tmp_path / "films"
    folder.mkdir()
    shutil.copy(clips["plain.mp4"], folder / "boat.mp4")
    os.utime(folder / "boat.mp4", (1_247_529_600, 1_247_529_600))
    return tmp_path


@pytest.mark.timeout(2 * PATIENCE_SECONDS)
def test_money_is_spent_only_after_a_yes(films):
    with sandbox_of(Shell(folder=films)) as sandbox:
        environment = plain_environment() | {
            "WAVESPEED_BASE_URL": sandbox.url,
            "WAVESPEED_API_KEY": KEY,
            "REELCAT_POLL_INTERVAL": "0.05",
            "PREFECT_HOME": str(films / "no-prefect"),
        }
        for answer, ending, bought in (
            (b"\n", "Nothing was bought.", 0),
            (b"y\n", "Done.", 2),
        ):
            shown, code = at_a_terminal(
                films,
                environment,
                ["run", "films", "--budget", "1"],
                asked=b"[y/N]",
                answer=answer,
            )
            assert "$0.01 at most, and never more" in shown
            assert ending in shown
            assert code == 0
            assert len(sandbox.predictions()) == bought


@pytest.mark.timeout(2 * PATIENCE_SECONDS)
def test_the_demonstration_needs_nothing_and_what_it_says_to_try_works(tmp_path):
    shell = Shell(folder=tmp_path)
    first = shell("demo")
    assert first.code == 0
    assert first.err == ""
    for said in ("Twice: ", "Broken: ", "Molmo2 would have cost $0.", "lantern"):
        assert said in first.out
    second = shell("demo")
    assert second.code == 0
    assert "Nothing was left to do: all 18 answers were there." in second.out
    tries = [line.split() for line in second.out.splitlines() if "REELCAT_DATABASE_URL=" in line]
    assert len(tries) == 3
    for setting, _, *arguments in tries:
        name, _, value = setting.partition("=")
        tried = shell.having(**{name: value})(*arguments)
        assert tried.code == 0
        assert "lantern" in tried.out or "arbour" in tried.out
