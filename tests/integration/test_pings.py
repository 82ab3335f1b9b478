"""What a dead-man's switch is told, and that nothing depends on whether it listens."""

from __future__ import annotations

import logging

import pytest
from ping_switch import SECRET, listening_switch
from pydantic import SecretStr

from catalog.errors import SettingsError
from catalog.values import RunStatus
from flows.pings import ping_of
from flows.pipeline.report import RunReport
from flows.settings import read_settings
from tasks.network.ping import Ping, ping
from tasks.runtime.stats import Issue, RunStats

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def told(caplog, address: str, what: Ping, *, seconds: float = 4.0) -> list[str]:
    """Ping, and give the lines that were logged about it; none of them holds the address."""
    caplog.clear()
    with caplog.at_level(logging.DEBUG):
        await ping(SecretStr(address), what, seconds=seconds)
    assert SECRET not in caplog.text
    return [one.getMessage() for one in caplog.records if one.name == "reelcat"]


async def test_each_ping_asks_for_its_address(caplog):
    with listening_switch() as switch:
        for what in Ping:
            assert await told(caplog, switch.url, what) == []
    assert switch.heard == ["/start", "", "/fail"]


async def test_a_switch_that_is_busy_is_asked_again(caplog):
    with listening_switch() as switch:
        switch.answers = [503, 500]
        assert await told(caplog, switch.url, Ping.SUCCESS) == []
    assert switch.heard == ["", "", ""]


async def test_a_switch_that_refuses_is_logged(caplog):
    with listening_switch() as switch:
        switch.answers = [404] * 9
        (line,) = await told(caplog, switch.url, Ping.FAILURE)
    assert line == "ping.failed what=failure reason='it answered 404'"


async def test_nobody_waits_for_a_switch_that_is_silent(caplog):
    with listening_switch(awake=False) as switch:
        (line,) = await told(caplog, switch.url, Ping.START, seconds=0.2)
        assert line.startswith("ping.failed what=start reason=")


@pytest.mark.parametrize("host", ["127.0.0.1:9", "no-such-host.invalid"])
async def test_a_switch_that_is_not_there_is_logged(caplog, host):
    (line,) = await told(caplog, f"http://{host}/{SECRET}", Ping.SUCCESS)
    assert line == "ping.failed what=success reason=ConnectError"


@pytest.mark.parametrize(
    "address",
    ["hc-ping.com/id", "ftp://hc-ping.com/id", "https:///id", "http://a b/", "https://ü/"],
)
def test_what_is_no_address_is_refused_without_being_shown(monkeypatch, tmp_path, address):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REELCAT_PING_URL", address)
    with pytest.raises(SettingsError, match="REELCAT_PING_URL: write a web address") as refused:
        read_settings()
    assert address not in str(refused.value)


def test_an_empty_address_is_none(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REELCAT_PING_URL", " ")
    assert read_settings().ping_url is None


@pytest.mark.parametrize(
    ("status", "kinds", "expected"),
    [
        (RunStatus.COMPLETED, [], Ping.SUCCESS),
        (RunStatus.BUDGET_REACHED, [], Ping.SUCCESS),
        (RunStatus.COMPLETED_WITH_FAILURES, ["unreadable", "analysis"], Ping.SUCCESS),
        (RunStatus.COMPLETED_WITH_FAILURES, ["unreadable", "source"], Ping.FAILURE),
        (RunStatus.BUDGET_REACHED, ["provider"], Ping.FAILURE),
        (RunStatus.COMPLETED_WITH_FAILURES, ["drift"], Ping.FAILURE),
        (RunStatus.ACCOUNT_STOPPED, [], Ping.FAILURE),
        (RunStatus.INTERRUPTED, [], Ping.FAILURE),
    ],
)
def test_a_night_that_a_person_has_to_mend_has_failed(status, kinds, expected):
    failures = [Issue(what="x", reason="y", kind=kind) for kind in kinds]
    report = RunReport(run_id="", status=status, stats=RunStats(failures=failures))
    assert ping_of(report) is expected
