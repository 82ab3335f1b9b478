"""What was shown is what is spent; secrets stay secret; originals stay as they are."""

from __future__ import annotations

import json

import pytest
from catalogs import everything_in
from money_world import PRICE, faulty

from catalog.values import AnalysisType
from tasks.sandbox.faults import Fault

pytestmark = pytest.mark.anyio

BUYING = ("--task", "summary", "--budget", "0.02")


async def test_a_run_spends_what_plan_showed_and_nothing_else(world):
    here = await world(films=6)
    shown = json.loads((await here.reelcat("plan", str(here.folder), *BUYING, "--json")).out)
    assert (await here.check()).audit["accepted"] == 0
    await here.run(budget=4 * PRICE)
    books = await here.check()
    assert shown["money"]["planned_usd"] == "0.02"
    assert books.totals.charged == books.audit["billed_micros"] == 4 * PRICE


TROUBLES = (
    Fault.SUBMIT_LOST_CUT_JSON,
    Fault.TASK_FAILED_1402,
    Fault.PUT_403,
    Fault.POLL_HTML,
    Fault.OUTPUT_URL,
)


async def test_no_key_and_no_signature_is_kept_or_shown_whatever_goes_wrong(world):
    here = await world(*TROUBLES)
    said = [
        await here.reelcat("run", str(here.folder), *BUYING, "--no-prefect", "--json"),
        await here.reelcat("status"),
        await here.reelcat("export", "--format", "jsonl"),
    ]
    assert (await here.check()).audit["key_leaks"] == 0
    kept = everything_in(here.catalog_url)
    shown = "".join(one.out + one.err for one in said)
    for secret in (here.sandbox.api_key, "signature="):
        assert secret not in shown
        assert secret.encode() not in kept


async def test_a_refused_key_is_not_shown(world):
    here = await world(*faulty(Fault.SUBMIT_401).script)
    asked = await here.reelcat(
        *("run", str(here.folder), *BUYING, "--no-prefect"), WAVESPEED_API_KEY="wsk_mistaken"
    )
    assert asked.code == 3
    assert "wsk_mistaken" not in asked.out + asked.err


async def test_originals_are_as_they_were(world):
    here = await world(*TROUBLES)

    def seen():
        return {
            path: (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_mode)
            for path in here.folder.iterdir()
        }

    before = seen()
    await here.run(tasks=(AnalysisType.SUMMARY, AnalysisType.COUNTING))
    assert seen() == before
