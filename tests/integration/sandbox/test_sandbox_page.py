"""docs/sandbox.md says what the sandbox has: every stage, every key of the audit, every choice."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from sandbox_client import open_desk, options

from flows.cli.app import execute
from tasks.sandbox.faults import Fault, Stage
from tasks.sandbox.options import SandboxOptions

pytestmark = pytest.mark.anyio

PAGE = (Path(__file__).parents[3] / "docs" / "sandbox.md").read_text()


def test_the_page_names_every_stage_and_real_faults_of_it():
    rows = re.findall(r"^\| `([a-z]+)` \| (.+?) \| (.+) \|$", PAGE, re.MULTILINE)
    by_stage = {stage: (moment, some) for stage, moment, some in rows}
    for stage in Stage:
        moment, some = by_stage[stage.value]
        assert moment == stage.moment
        examples = re.findall(r"`([a-z0-9-]+)`", some)
        assert examples
        assert {Fault(name).stage for name in examples} == {stage}


def test_the_command_lists_every_fault_with_what_is_seen(capsys):
    assert execute(["sandbox", "--faults"]) == 0
    listed = capsys.readouterr().out
    for fault in Fault:
        assert re.search(rf"^ *{re.escape(fault.value)} ", listed, re.MULTILINE), fault
    words = " ".join(listed.split())
    assert all(" ".join(fault.sentence.split()) in words for fault in Fault if "`" not in fault)


async def test_the_page_explains_exactly_the_keys_of_the_audit():
    async with open_desk(options()) as desk:
        await desk.accepted()
        audit = await desk.audit()
        [row] = (await desk.client.get("/audit/predictions")).json()
    table = PAGE.partition("## Reading the audit")[2]
    assert re.findall(r"^\| `([a-z0-9_]+)` \|", table, re.MULTILINE) == list(audit)
    for key in row:
        assert f"`{key}`" in table


def test_what_the_page_names_as_a_choice_is_an_option_or_a_fault():
    table = PAGE.partition("## What no source confirms")[2].partition("## Making")[0]
    choices = [line.rsplit("|", 2)[1] for line in table.splitlines() if line.startswith("|")]
    named = {name for choice in choices for name in re.findall(r"`([^`]+)`", choice)}
    fields = {field.name for field in dataclasses.fields(SandboxOptions)}
    assert named
    assert named <= fields | set(Fault)


def test_the_pages_plan_runs():
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    scope: dict = {}
    exec(compile(code, "docs/sandbox.md", "exec"), scope)
    assert scope["options"].faults.script[0].first == 3
