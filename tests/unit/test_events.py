"""One line an event: whose it is, its facts, and no secret."""

from __future__ import annotations

import asyncio
import json

import pytest
from structlog.contextvars import bound_contextvars

from catalog.values import AnalysisType
from flows.logs import logging_to
from flows.settings import Settings
from tasks.foundation.events import logger


def settings(**changes) -> Settings:
    return Settings(_env_file=None, **changes)


def objects(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_an_event_is_one_object_with_its_facts(capsys):
    with logging_to(settings(log_format="json")), bound_contextvars(run="r-1"):
        logger.warning("prediction.lost", prediction=7, task=AnalysisType.SUMMARY, reason=None)
    (told,) = objects(capsys)
    assert told.pop("time").endswith("Z")
    assert told == {
        "level": "warning",
        "event": "prediction.lost",
        "run": "r-1",
        "prediction": 7,
        "task": "summary",
    }


def test_an_event_is_one_line_of_text_whatever_is_in_it(capsys):
    with logging_to(settings(log_format="text")):
        logger.info("source.failed", source="a b\nc\x1b[2J", empty="", found=3)
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert told.endswith(r"INFO source.failed source='a b\nc\x1b[2J' empty='' found=3" + "\n")


def test_nothing_is_written_unless_it_was_asked_for_and_items_only_at_debug(capsys):
    for asked, lines in (
        ({}, 0),
        ({"log_format": "json"}, 2),
        ({"log_level": "warning"}, 1),
        ({"log_level": "debug"}, 3),
    ):
        with logging_to(settings(**asked)):
            logger.debug("video.probed", video="v1-0")
            logger.info("batch.probed", files=500)
            logger.warning("prediction.uncertain")
        assert capsys.readouterr().err.count("\n") == lines, asked
    logger.info("run.ended")
    assert capsys.readouterr().err == ""


def test_no_secret_is_in_any_fact(capsys):
    with logging_to(settings(log_format="json")):
        logger.info(
            "x",
            link="https://me:pw@store.example/a.mp4?X-Amz-Signature=c0ffee",
            said="Authorization: Bearer wsk_0123456789",
        )
    told = capsys.readouterr().err
    assert "store.example/a.mp4" in told
    for secret in ("pw@", "c0ffee", "wsk_0123456789"):
        assert secret not in told


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_a_secret_is_masked_wherever_a_fact_comes_from_and_whatever_it_is(capsys, log_format):
    link = "https://store.example/a.mp4?X-Amz-Signature={}"
    with (
        logging_to(settings(log_format=log_format)),
        bound_contextvars(source=link.format("c0ffee1")),
    ):
        logger.warning(
            f"failed: {link.format('c0ffee2')}",
            error=ValueError(link.format("c0ffee3")),
            several=[link.format("c0ffee4")],
            named={"link": link.format("c0ffee5")},
        )
    told = capsys.readouterr().err
    assert told.count("store.example/a.mp4?***") == 5
    assert "c0ffee" not in told


def test_tasks_of_a_run_know_their_run_and_others_do_not(capsys):
    async def work(name: str) -> None:
        with bound_contextvars(run=name):
            async with asyncio.TaskGroup() as group:
                for number in range(3):
                    group.create_task(step(number))

    async def step(number: int) -> None:
        await asyncio.sleep(0)
        await asyncio.to_thread(logger.info, "step", number=number)

    async def both() -> None:
        await asyncio.gather(work("one"), work("two"))
        logger.info("after")

    with logging_to(settings(log_format="json")):
        asyncio.run(both())
    *steps, after = objects(capsys)
    assert sorted((one["run"], one["number"]) for one in steps) == [
        (name, number) for name in ("one", "two") for number in range(3)
    ]
    assert "run" not in after


def test_a_line_is_written_once_however_many_runs_share_a_process(capsys):
    with logging_to(settings(log_format="json")):
        with logging_to(settings(log_format="json")):
            logger.info("both")
        logger.info("one")
    logger.info("none")
    assert [one["event"] for one in objects(capsys)] == ["both", "one"]
