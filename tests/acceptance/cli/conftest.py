"""Calling `reelcat` the way people do: another process, its output, its exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import single_moves
from catalog_rows import (
    ANSWER,
    ENDPOINT,
    FOLDER,
    NO_LIMITS,
    NOW,
    inspection,
    jobs,
    listing,
    look,
    probe,
    purchase,
    record,
    register,
    spec,
    start_run,
    tokens,
)
from sqlalchemy import select

from catalog import analyses, holding, predictions
from catalog.database import connect
from catalog.models import Analysis
from flows.cli.app import execute

REELCAT = (sys.executable, "-c", "from flows.cli import main; main()")
_OURS = ("REELCAT_", "WAVESPEED_", "AWS_", "PREFECT_")


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """A call that is over."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Shell:
    """A folder, whose environment holds nothing of ours, to call `reelcat` in."""

    folder: Path
    capture: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> Ended:
        """Call it in this process, which is faster; a traceback fails the test."""
        self.capture.readouterr()
        code = execute(arguments)
        said = self.capture.readouterr()
        return Ended(code=code, out=said.out, err=said.err)


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    """An empty folder."""
    for name in os.environ:
        if name.startswith(_OURS):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return Shell(folder=tmp_path, capture=capsys)


def _fill(url: str) -> None:
    """One described video in two places, whose title gives orders, and one that is noise."""
    catalog = connect(url)
    scope = register(catalog)
    record(catalog, scope, [listing(f"{FOLDER}/{name}.mp4") for name in ("boat", "copy", "noise")])
    look(
        catalog,
        scope,
        lambda one: inspection(
            "v1-00noise" if "noise" in one.uri else "v1-00boat",
            probe=probe(tags={"title": "\x1b[2J[red]A boat"}),
        ),
    )
    catalog.write(lambda session: analyses.want(session, [scope], spec()))
    start_run(catalog, "run-1", 1_000_000)

    def buy(session):
        chosen = list(session.scalars(select(Analysis.id).order_by(Analysis.id)))
        held = holding.hold(session, jobs(chosen), purchase("run-1"), now=NOW, unique=tokens()).held
        first, second = (one.prediction_id for one in held)
        holding.intend(session, [first, second], ENDPOINT, NO_LIMITS, now=NOW)
        single_moves.accept(session, first, "p-1", now=NOW)
        single_moves.complete(session, first, ANSWER, coverage=None, now=NOW)
        predictions.lose(session, second, reason="The connection was reset.", now=NOW)

    catalog.write(buy)
    catalog.close()


@pytest.fixture
def archive(shell: Shell, catalog_url: str, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell whose catalog holds something."""
    _fill(catalog_url)
    monkeypatch.setenv("REELCAT_DATABASE_URL", catalog_url)
    return shell


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(shell: Shell) -> Iterator[Start]:
    """Start `reelcat` as a process of its own; what still runs at the end is killed."""
    running: list[subprocess.Popen[str]] = []

    def begin(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*REELCAT, *arguments],
            cwd=shell.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        process.kill()
        process.communicate()
