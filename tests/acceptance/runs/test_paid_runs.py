"""Money, as the provider saw it: every claim here is checked in the sandbox's own books."""

from __future__ import annotations

import shutil
import signal
from contextlib import closing
from decimal import Decimal

import pytest
from catalogs import everything_in
from command import KEY, Sandbox, Shell, sandbox_of, until

from catalog import ledger
from catalog.database import connect

pytestmark = pytest.mark.slow

#: Two tasks for each of these; the lengths make 12 cents.
FILMS = ("opening-5s.mp4", "harbour-11s.mp4", "parade-7s.mkv", "coral.mov", "tape-21s.mp4")
ANALYSES = 2 * len(FILMS)
PRICE = Decimal("0.12")


@pytest.fixture
def films(archive):
    """An archive with one film in two places and one that is none."""
    for name in FILMS:
        archive.put(name)
    shutil.copy(archive.folder / "coral.mov", archive.folder / "again.mov")
    archive.put("noise.mp4", b"no film at all" * 999)
    return archive


@pytest.fixture
def shell(shell, empty_url):
    """A shell that was told of a database, in which there is nothing yet."""
    return shell.having(REELCAT_DATABASE_URL=empty_url)


def charged(shell: Shell) -> Decimal:
    """What the catalog says was paid, to the micro-dollar."""
    url = shell.environment["REELCAT_DATABASE_URL"]
    with closing(connect(url)) as catalog, catalog.read() as session:
        totals = ledger.totals(session)
    return Decimal(totals.charged + totals.held) / 1_000_000


def billed(sandbox: Sandbox) -> Decimal:
    """What the sandbox's books say was paid."""
    return Decimal(sandbox.audit()["billed_micros"]) / 1_000_000


def test_what_was_quoted_is_what_is_paid_once_wherever_a_film_moves(shell, films):
    with sandbox_of(shell) as sandbox:
        paying = shell.having(**sandbox.environment())
        plan = paying("plan", "films", "--json")
        assert billed(sandbox) == 0

        run = paying("run", "films", "--budget", "5", "--json")

        assert (plan.code, run.code) == (1, 1)  # one of them is no film
        assert plan.report["money"]["quoted_usd"] == str(PRICE)
        assert run.report["money"]["quoted_usd"] == str(PRICE)
        assert run.report["money"]["charged_usd"] == str(PRICE)
        assert run.report["money"]["held_usd"] == "0.00"
        assert run.report["analyses"]["completed"] == ANALYSES
        assert charged(shell) == billed(sandbox) == PRICE

        (films.folder / "2009").mkdir()
        (films.folder / "noise.mp4").unlink()
        (films.folder / "coral.mov").rename(films.folder / "reef.mov")
        (films.folder / "parade-7s.mkv").rename(films.folder / "2009" / "parade-7s.mkv")
        shutil.copy(films.folder / "tape-21s.mp4", films.folder / "tape (copy).mp4")
        moved = paying("run", "films", "--budget", "5", "--json")

        assert moved.code == 0
        assert moved.report["analyses"]["done_before"] == ANALYSES
        assert moved.report["money"]["quoted_usd"] == "0.00"
        audit = sandbox.audit()
        assert audit["accepted"] == ANALYSES
        assert audit["duplicates"] == audit["unread"] == audit["key_leaks"] == 0
        assert charged(shell) == billed(sandbox) == PRICE
        status = paying("status", "--json").report
        assert (status["money"]["held_usd"], status["money"]["charged_usd"]) == ("0.00", str(PRICE))

    everything = "".join(one.out + one.err for one in (plan, run, moved)) + paying("export").out
    stored = everything_in(shell.environment["REELCAT_DATABASE_URL"])
    for secret in (KEY, "X-Amz-Signature", "token="):
        assert secret not in everything
        assert secret.encode() not in stored


def test_a_budget_that_is_too_small_is_kept_and_the_next_run_goes_on(shell, films):
    (films.folder / "noise.mp4").unlink()
    with sandbox_of(shell) as sandbox:
        paying = shell.having(**sandbox.environment())
        small = paying("run", "films", "--budget", "0.07", "--json")

        assert small.code == 0
        assert small.report["status"] == "budget_reached"
        assert small.report["analyses"]["over_budget"] > 0
        assert 0 < charged(shell) == billed(sandbox) <= Decimal("0.07")

        rest = paying("run", "films", "--budget", "0.07", "--json")

        assert (rest.code, rest.report["status"]) == (0, "completed")
        assert charged(shell) == billed(sandbox) == PRICE
        assert sandbox.audit()["duplicates"] == 0


def test_a_day_budget_holds_over_several_runs(shell, films):
    (films.folder / "noise.mp4").unlink()
    with sandbox_of(shell) as sandbox:
        paying = shell.having(**sandbox.environment())
        paying("budget", "--day", "0.05")
        runs = [paying("run", "films", "--json") for _ in range(2)]

        assert [run.report["status"] for run in runs] == ["budget_reached"] * 2
        assert 0 < charged(shell) == billed(sandbox) <= Decimal("0.05")


def test_a_run_that_is_killed_is_gone_on_with_and_nothing_is_paid_twice(shell, films):
    (films.folder / "noise.mp4").unlink()
    with sandbox_of(shell, "--scale", "1", "--latency", "1") as sandbox:
        paying = shell.having(**sandbox.environment())
        killed = paying.start("run", "films", "--budget", "5", "--concurrency", "2")
        until(lambda: sandbox.audit()["completed"] >= 2, "some are done and some are not")
        killed.kill()
        killed.communicate()
        assert sandbox.audit()["accepted"] < ANALYSES

        rest = paying("run", "films", "--budget", "5", "--json")

        assert (rest.code, rest.report["status"]) == (0, "completed")
        audit = sandbox.audit()
        assert audit["accepted"] == audit["completed"] == ANALYSES
        assert audit["duplicates"] == audit["unread"] == 0
        assert charged(shell) == billed(sandbox) == PRICE


def test_an_interrupted_run_says_so_and_the_next_goes_on(shell, films):
    (films.folder / "noise.mp4").unlink()
    with sandbox_of(shell, "--scale", "1", "--latency", "1") as sandbox:
        paying = shell.having(**sandbox.environment())
        process = paying.start("run", "films", "--budget", "5", "--concurrency", "2", "--json")
        until(lambda: sandbox.audit()["completed"] >= 2, "some are done and some are not")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()

        assert process.returncode == 130
        assert '"status": "interrupted"' in out
        assert err.startswith("Stopping: nothing new is submitted")
        assert sandbox.audit()["accepted"] < ANALYSES

        rest = paying("run", "films", "--budget", "5", "--json")

        assert (rest.code, rest.report["status"]) == (0, "completed")
        audit = sandbox.audit()
        assert audit["accepted"] == audit["completed"] == ANALYSES
        assert audit["duplicates"] == audit["unread"] == 0
        assert charged(shell) == billed(sandbox) == PRICE


def test_every_task_and_every_wording_is_a_question_of_its_own(shell, archive):
    archive.put("opening.mp4")
    tasks = ("general", "summary", "analysis", "counting", "scene_description")
    asked = [word for task in tasks for word in ("--task", task)]
    with sandbox_of(shell) as sandbox:
        paying = shell.having(**sandbox.environment())
        run = paying("run", "films", "--budget", "1", *asked, "--json")
        more = paying(
            *("run", "films", "--budget", "1", "--json"),
            *("--task", "counting", "--instructions", "Count the boats."),
        )
        submitted = [(one["task"], one["text"]) for one in sandbox.predictions()]

    assert (run.code, more.code) == (0, 0)
    assert sorted(submitted[:-1]) == sorted((task, None) for task in tasks)
    assert submitted[-1] == ("counting", "Count the boats.")
    [video] = shell.export()
    assert len({one["text"] for one in video["analyses"]}) == len(submitted)
