"""Films that take what they can get: each costs its own description, and finds no key."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from catalog.values import AnalysisType
from tasks.media.confinement import MEMORY_BYTES
from tasks.sandbox.vision.describe import MeasuringPool, measure_duration, new_model
from tasks.sandbox.vision.measure import measure
from tasks.sandbox.vision.signals import NotDescribable

SECRETS = {
    "WAVESPEED_API_KEY": "wsk_nobody_may_know",
    "AWS_SECRET_ACCESS_KEY": "nobody-may-know",
    "AWS_SESSION_TOKEN": "nobody-may-know",
    "PGPASSWORD": "nobody-may-know",
    "PREFECT_API_KEY": "nobody-may-know",
    "REELCAT_DATABASE_URL": "postgresql://me:nobody-may-know@db.example/reelcat",
    "GITHUB_TOKEN": "nobody-may-know",
    "SOMETHING_NEW": "nobody-may-know",
    "FFREPORT": "file=/nobody-may-know",
    "HTTPS_PROXY": "http://me:nobody-may-know@proxy.example",
}


def children():
    """Those of multiprocessing, which are not those that keep its books."""
    return [psutil.Process(child.pid) for child in multiprocessing.active_children()]


@pytest.fixture
def pool():
    pool = MeasuringPool()
    yield pool
    pool.close()


def test_children_that_describe_know_no_key_and_have_limits(pool, clips, monkeypatch):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    assert pool.measure(str(clips["plain.mp4"])) == measure(str(clips["plain.mp4"]))
    started = children()
    assert started
    for child in started:
        known = child.environ()
        assert not [name for name in SECRETS if name in known]
        assert "may" not in " ".join(known.values())
        assert "PATH" in known
        assert child.rlimit(psutil.RLIMIT_DATA) == (MEMORY_BYTES, MEMORY_BYTES)
        assert child.rlimit(psutil.RLIMIT_CORE) == (0, 0)
    limits = [child.rlimit(psutil.RLIMIT_CPU)[0] for child in started]
    assert any(limit != resource.RLIM_INFINITY for limit in limits)


def test_the_sandbox_decodes_in_children_alone(clips):
    path = str(clips["plain.mp4"])
    assert 2.9 < measure_duration(path) < 3.1
    assert new_model()(path, AnalysisType.SUMMARY.value, None)
    assert multiprocessing.active_children()


def test_a_film_that_takes_too_much_memory_costs_its_own_description(pool, clips):
    large = clips.make(
        "large.mp4",
        *("-f", "lavfi", "-i", "testsrc2=size=4096x4096:rate=1:duration=2"),
        *("-c:v", "libx264", "-preset", "ultrafast"),
    )
    assert pool.measure(str(clips["one-frame.mp4"])).shots
    limited = children()
    for child in limited:
        child.rlimit(psutil.RLIMIT_DATA, (60_000_000, MEMORY_BYTES))
    with pytest.raises(NotDescribable):
        pool.measure(str(large))
    for child in limited:  # the others that wait are to be as before
        with contextlib.suppress(psutil.NoSuchProcess):
            child.rlimit(psutil.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    assert pool.measure(str(clips["plain.mp4"])).shots


def test_a_film_on_which_a_child_dies_costs_its_own_description(pool, clips, tmp_path):
    never = tmp_path / "never.mp4"
    os.mkfifo(never)
    pool.measure(str(clips["one-frame.mp4"]))
    with ThreadPoolExecutor(1) as thread:
        asked = thread.submit(pool.measure, str(never))
        writer = os.open(never, os.O_WRONLY)  # once the child has opened it
        for child in children():
            if _holds(child, never):
                child.send_signal(signal.SIGKILL)
        with pytest.raises(NotDescribable, match="died"):
            asked.result()
        os.close(writer)
    assert pool.measure(str(clips["plain.mp4"])).shots


def _holds(child, path):
    opened = Path(f"/proc/{child.pid}/fd").iterdir()
    return str(path) in [str(one.readlink()) for one in opened]


def test_a_film_that_never_comes_is_given_up(clips, tmp_path):
    never = tmp_path / "never.mp4"
    os.mkfifo(never)
    pool = MeasuringPool(seconds=0.5, grace_seconds=0.5)
    try:
        with pytest.raises(NotDescribable, match="longer than 1 seconds"):
            pool.measure(str(never))
    finally:
        pool.close()
