"""What ffprobe's process does to itself is never the file's fault."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest

from catalog.values import ProbeStatus
from tasks.media import binaries
from tasks.media.engine import EngineFailed, Media
from tasks.media.ffprobe import Ffprobe
from tasks.media.inspect import probe
from tasks.media.pyav import PyAv


@pytest.fixture
def script(tmp_path):
    """Make a program that behaves as told."""

    def _script(body: str) -> str:
        path = tmp_path / "ffprobe"
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return str(path)

    return _script


@pytest.fixture
def media(clips):
    path = clips["plain.mp4"]
    with path.open("rb") as file:
        yield Media(file=file, size=path.stat().st_size, path=path, near=True)


@pytest.mark.parametrize(
    "body",
    [
        f"kill -{signal.SIGSEGV.value} $$",
        "exit 1",
        "echo 'no such option' >&2; exit 1",
        "echo 'not json'",
        """echo '{"error": {"code": -12, "string": "Cannot allocate memory"}}'; exit 1""",
    ],
)
def test_a_broken_ffprobe_is_an_engine_failure(script, media, body):
    with pytest.raises(EngineFailed):
        Ffprobe(script(body)).report(media)


def test_a_missing_ffprobe_is_an_engine_failure(media):
    with pytest.raises(EngineFailed):
        Ffprobe("/nowhere/ffprobe").report(media)


def test_a_hanging_ffprobe_is_stopped_and_gone(script, media, tmp_path):
    engine = Ffprobe(script(f"echo $$ > {tmp_path}/pid; exec sleep 600"), timeout_seconds=0.5)
    with pytest.raises(EngineFailed, match="took too long"):
        engine.report(media)
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


def test_pyav_speaks_where_ffprobe_broke(script, media):
    answer = probe(media, [Ffprobe(script("exit 1")), PyAv()])
    assert answer.status is ProbeStatus.OK
    assert answer.engine.startswith("pyav")


def test_ffprobe_is_not_asked_about_files_far_away(media, script):
    far = Media(file=media.file, size=media.size, path=None, near=False)
    with pytest.raises(EngineFailed, match="this machine"):
        Ffprobe(script("exit 1")).report(far)


def test_a_configured_binary_comes_first(script):
    path = script("echo 'ffprobe version 9.9-test Copyright'")
    assert binaries.find_ffprobe(path) == binaries.Binary(path=path, version="9.9-test")


def test_a_configured_binary_that_is_not_there_is_not_replaced():
    assert binaries.find_ffmpeg("/nowhere/ffmpeg") is None
    assert binaries.find_ffprobe("/nowhere/ffprobe") is None


def test_without_a_system_ffmpeg_the_wheels_own_is_found(monkeypatch):
    monkeypatch.setenv("PATH", os.devnull)
    found = binaries.find_ffmpeg()
    assert Path(found.path).is_file()
    assert found.version
    assert binaries.find_ffprobe() is None


def test_the_doctor_knows_a_build_that_crashes_on_host_names(script):
    path = script(
        'case "$*" in *version*) echo "ffprobe version 7.0.2-static"; exit 0;; '
        "*http*) kill -SEGV $$;; esac"
    )
    trouble = binaries.trouble_with(binaries.find_ffprobe(path))
    assert "static build" in trouble


def test_the_doctor_knows_a_program_that_does_not_run(script):
    assert "does not run" in binaries.trouble_with(binaries.find_ffprobe(script("exit 127")))


def test_the_doctor_finds_nothing_wrong_with_one_that_only_fails_to_connect(script):
    path = script('case "$*" in *version*) echo "ffprobe version 5.1.9";; *) exit 1;; esac')
    assert binaries.trouble_with(binaries.find_ffprobe(path)) is None
