"""Strangers' folders: what is sent or described is what was probed, whatever is put in its place.

What arrived is asked of the sandbox alone.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
from pathlib import Path

import pytest
from command import Sandbox, Shell, sandbox_of, until

pytestmark = pytest.mark.slow

#: One task, so that each video is one prediction.
ASKED = ("--task", "summary")


@pytest.fixture
def secret(tmp_path, archive) -> Path:
    """A film of the user's own, beside the source."""
    path = archive.put("home-7s.mp4")
    path.rename(tmp_path / "secret.mp4")
    return tmp_path / "secret.mp4"


def seen_by(sandbox: Sandbox) -> set[str]:
    """Which bytes the sandbox's predictions are about."""
    return {one["video"] for one in sandbox.predictions()}


def digest(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def put_in_place(path: Path, content: bytes) -> None:
    """Put another file of the same size and time in the place of one."""
    status = path.stat()
    other = path.with_name("other")
    other.write_bytes(content)
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.rename(path)


def test_links_that_lead_out_are_counted_and_not_sent_unless_that_was_asked_for(
    shell, archive, secret, tmp_path
):
    film = archive.put("opening-5s.mp4")
    (archive.folder / "link.mp4").symlink_to(secret)
    (archive.folder / "folder").symlink_to(tmp_path)
    (archive.folder / "again.mp4").symlink_to("opening-5s.mp4")
    with sandbox_of(shell) as sandbox:
        paying = shell.having(**sandbox.environment())

        run = paying("run", "films", "--budget", "1", "--json", *ASKED)

        assert (run.code, run.report["failures"]) == (0, [])
        assert [
            one for one in run.report["notices"] if "2 links" in one and "--follow-links" in one
        ]
        assert run.report["videos"]["duplicates"] == 1
        assert seen_by(sandbox) == {digest(film)}

        asked = paying("run", "films", "--budget", "1", "--json", "--follow-links", *ASKED)

        assert asked.code == 0
        assert not any("--follow-links" in notice for notice in asked.report["notices"])
        assert seen_by(sandbox) == {digest(film), digest(secret)}


def test_another_file_of_the_same_size_and_time_is_not_sent_and_is_probed_anew(shell, archive):
    film = archive.put("opening-5s.mp4")
    other = random.Random(7).randbytes(film.stat().st_size)
    with sandbox_of(shell) as sandbox:
        paying = shell.having(**sandbox.environment())
        assert paying("plan", "films", *ASKED).code == 0
        put_in_place(film, other)

        run = paying("run", "films", "--budget", "1", "--json", *ASKED)
        again = paying("run", "films", "--budget", "1", "--json", *ASKED)

        audit = sandbox.audit()
        assert (audit["requests"].get("put", 0), audit["accepted"]) == (0, 0)
        assert run.code == again.code == 1
        assert "run again" in run.report["failures"][0]["reason"]
        assert again.report["videos"]["probed"] == 1
        assert "No video" in again.report["failures"][0]["reason"]


def test_a_file_that_is_written_to_while_it_is_uploaded_is_not_submitted(shell, archive):
    film = archive.put("large-5s.avi")
    status = film.stat()
    with sandbox_of(shell) as sandbox:
        megabits = 8 * status.st_size / 1_000_000 / 4  # four seconds
        paying = shell.having(**sandbox.environment(), REELCAT_UPLOAD_MBIT=str(megabits))
        with paying.start("run", "films", "--budget", "1", "--json", *ASKED) as running:
            until(lambda: sandbox.audit()["requests"].get("ticket"), "a ticket is asked for")
            with film.open("r+b") as file:
                file.seek(-4, os.SEEK_END)
                file.write(b"evil")
            os.utime(film, ns=(status.st_atime_ns, status.st_mtime_ns))
            out, err = running.communicate(timeout=120)

        assert (running.returncode, err) == (1, "")
        assert "changed" in out
        assert sandbox.audit()["accepted"] == 0


def test_what_is_described_on_this_machine_is_what_was_probed(shell, archive):
    film = archive.put("opening-5s.mp4")
    longer = archive.put("other-7s.mp4").read_bytes()
    (archive.folder / "other-7s.mp4").unlink()
    whole = film.read_bytes()
    size = max(len(whole), len(longer))
    put_in_place(film, whole.ljust(size, b"\0"))
    assert shell("plan", "films", "--provider", "offline", *ASKED).code == 0
    put_in_place(film, longer.ljust(size, b"\0"))

    run = shell("run", "films", "--provider", "offline", "--json", *ASKED)

    assert run.code == 1
    assert "changed" in run.report["failures"][0]["reason"]
    assert not any(one["text"] for video in shell.export() for one in video["analyses"])


def test_a_source_that_is_a_link_is_cataloged_as_the_folder_it_is(shell: Shell, archive):
    archive.put("opening-5s.mp4")
    shutil.move(archive.folder, archive.folder.with_name("real"))
    archive.folder.symlink_to("real")

    run = shell("run", "films", "--provider", "offline", "--json", *ASKED)

    assert (run.code, run.report["analyses"]["completed"]) == (0, 1)


def test_a_list_names_files_itself_so_a_link_in_it_is_followed(shell, archive, secret):
    (archive.folder / "link.mp4").symlink_to(secret)
    (archive.folder / "list.txt").write_text("link.mp4\n")

    run = shell("run", "@films/list.txt", "--provider", "offline", "--json", *ASKED)

    assert (run.code, run.report["analyses"]["completed"]) == (0, 1)
